// The session tag of a downloaded applet: which session it is for, and nothing else. It lies outside the signed part
// of the program, so no host, path, text or certificate may ever stand in it.
//   magic 6 "RSATAG" | version 1 | GUID 16 | expiry 5 (s since 1970 UTC) | language 2 (ISO 639-1) | Ed25519 64   = 94
// Linux: the last 94 bytes of the file. Windows: the front of a 1024-byte blob in an unauthenticated attribute of the
// Authenticode signature, the rest zero. The signature covers utf8(domain) ‖ 0x00 ‖ the 30 bytes before it.
// A missing or bad tag means "type your PIN", never another server.
import { type SessionGuid, sessionGuidFrom } from '../guid.ts';
import { ByteReader, type Bytes, ByteWriter, concat, equalBytes, malformed, utf8Bytes, utf8Text } from './bytes.ts';
import { signedMessage } from './signed.ts';

export const TAG_DOMAIN = 'appliance/tag/v1';
export const TAG_MAGIC = utf8Bytes('RSATAG');
export const TAG_VERSION = 1;
export const TAG_SIZE = 94;
export const TAG_BLOB_SIZE = 1024;
const SIGNATURE_SIZE = 64;
const SIGNED_SIZE = TAG_SIZE - SIGNATURE_SIZE;
const LANGUAGE = /^[a-z]{2}$/;

export interface SessionTag {
  readonly guid: SessionGuid;
  /** ms UTC, whole seconds. */
  readonly expiresAt: number;
  readonly language: string;
}

export interface SignedTag {
  readonly tag: SessionTag;
  /** What the signature covers, ready for Ed25519. Nothing in `tag` holds before it was verified. */
  readonly message: Bytes;
  readonly signature: Bytes;
}

/** The first 30 bytes of a tag. */
export function writeTagHead({ guid, expiresAt, language }: SessionTag): Bytes {
  if (!LANGUAGE.test(language)) throw malformed('a language has two letters');
  if (expiresAt % 1000 !== 0) throw malformed('a tag ends at a whole second');
  return new ByteWriter(SIGNED_SIZE)
    .bytes(TAG_MAGIC)
    .uint(1, TAG_VERSION)
    .bytes(guid)
    .uint(5, expiresAt / 1000)
    .bytes(utf8Bytes(language))
    .done();
}

/** What the tag key signs. */
export function tagMessage(head: Bytes): Bytes {
  return signedMessage(TAG_DOMAIN, head);
}

/** A whole tag: the trailer of a Linux applet. */
export function writeTag(head: Bytes, signature: Bytes): Bytes {
  if (head.length !== SIGNED_SIZE || signature.length !== SIGNATURE_SIZE) throw malformed('a tag of another size');
  return concat(head, signature);
}

/** The blob of a Windows applet: a tag, or none while it waits for one, and zeroes. */
export function writeTagBlob(tag?: Bytes): Bytes {
  const blob = new Uint8Array(TAG_BLOB_SIZE);
  blob.set(tag ?? TAG_MAGIC); // the magic lets the patcher find its place
  return blob;
}

/** @throws ApplianceError `protocol.malformed` for anything but a tag of this version */
export function parseTag(bytes: Bytes): SignedTag {
  const reader = new ByteReader(bytes);
  if (!equalBytes(reader.bytes(TAG_MAGIC.length), TAG_MAGIC)) throw malformed('no tag');
  if (reader.uint(1) !== TAG_VERSION) throw malformed('a tag of another version');
  const guid = sessionGuidFrom(reader.bytes(16).slice());
  const expiresAt = reader.uint(5) * 1000;
  const language = utf8Text(reader.bytes(2));
  if (!LANGUAGE.test(language)) throw malformed('a tag without a language');
  const signature = reader.bytes(SIGNATURE_SIZE);
  reader.end();
  return { tag: { guid, expiresAt, language }, message: tagMessage(bytes.subarray(0, SIGNED_SIZE)), signature };
}

/** @throws ApplianceError `protocol.malformed` for anything but a tag and zeroes */
export function parseTagBlob(blob: Bytes): SignedTag {
  if (blob.length !== TAG_BLOB_SIZE) throw malformed('a blob of another size');
  if (blob.subarray(TAG_SIZE).some(byte => byte !== 0)) throw malformed('a blob that holds more than a tag');
  return parseTag(blob.subarray(0, TAG_SIZE));
}
