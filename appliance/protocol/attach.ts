// ATTACH binds a new path to a running link in three messages:
//   1 C→A  linkId 16, attach varint, generation varint, next varint, nonce 16
//   2 A→C  attach varint, next varint, nonce 16, MAC 32
//   3 C→A  attach varint, MAC 32
// MAC = HMAC-SHA256(K_res, label ‖ version 1 ‖ sid 16 ‖ linkId 16 ‖ role 1 ‖ kind 1 ‖ attach 6 ‖ generation 6 ‖
//       next_C 6 ‖ next_A 6 ‖ nonce_C 16 ‖ nonce_A 16); the role makes the two MACs different, and the kind is what each
// side sees of its own end, so a path of one kind can't be passed off as another.
import { ByteReader, type Bytes, ByteWriter, utf8Bytes } from './bytes.ts';
import { LINK_VERSION } from './handshake.ts';
import { DIRECTION, type Direction, LINK_ID_BYTES } from './record.ts';

export const ATTACH_NONCE_BYTES = 16;
export const MAC_BYTES = 32;
const LABEL = utf8Bytes('link-v1 attach');

export const PATH_KINDS = ['relay', 'tcp', 'udp'] as const;
export type PathKind = (typeof PATH_KINDS)[number];

export interface AttachBegin {
  readonly linkId: Bytes;
  readonly attach: number;
  readonly generation: number;
  readonly next: number;
  readonly nonce: Bytes;
}

export interface AttachProve {
  readonly attach: number;
  readonly next: number;
  readonly nonce: Bytes;
  readonly mac: Bytes;
}

export interface AttachConfirm {
  readonly attach: number;
  readonly mac: Bytes;
}

export function writeAttachBegin({ linkId, attach, generation, next, nonce }: AttachBegin): Bytes {
  return new ByteWriter().bytes(linkId).varint(attach).varint(generation).varint(next).bytes(nonce).done();
}

export function parseAttachBegin(bytes: Bytes): AttachBegin {
  const reader = new ByteReader(bytes);
  const linkId = reader.bytes(LINK_ID_BYTES);
  const [attach, generation, next] = [reader.varint(), reader.varint(), reader.varint()];
  const nonce = reader.bytes(ATTACH_NONCE_BYTES);
  reader.end();
  return { linkId, attach, generation, next, nonce };
}

export function writeAttachProve({ attach, next, nonce, mac }: AttachProve): Bytes {
  return new ByteWriter().varint(attach).varint(next).bytes(nonce).bytes(mac).done();
}

export function parseAttachProve(bytes: Bytes): AttachProve {
  const reader = new ByteReader(bytes);
  const [attach, next] = [reader.varint(), reader.varint()];
  const message = { attach, next, nonce: reader.bytes(ATTACH_NONCE_BYTES), mac: reader.bytes(MAC_BYTES) };
  reader.end();
  return message;
}

export function writeAttachConfirm({ attach, mac }: AttachConfirm): Bytes {
  return new ByteWriter().varint(attach).bytes(mac).done();
}

export function parseAttachConfirm(bytes: Bytes): AttachConfirm {
  const reader = new ByteReader(bytes);
  const message = { attach: reader.varint(), mac: reader.bytes(MAC_BYTES) };
  reader.end();
  return message;
}

export interface AttachTranscript {
  readonly sid: Bytes;
  readonly kind: PathKind;
  readonly begin: AttachBegin;
  readonly appletNext: number;
  readonly appletNonce: Bytes;
}

/** What one side's MAC covers. */
export function attachTranscript(
  author: Direction,
  { sid, kind, begin, appletNext, appletNonce }: AttachTranscript,
): Bytes {
  return new ByteWriter(160)
    .bytes(LABEL)
    .uint(1, LINK_VERSION)
    .bytes(sid)
    .bytes(begin.linkId)
    .uint(1, author === DIRECTION.consoleToApplet ? 1 : 2)
    .uint(1, PATH_KINDS.indexOf(kind))
    .uint(6, begin.attach)
    .uint(6, begin.generation)
    .uint(6, begin.next)
    .uint(6, appletNext)
    .bytes(begin.nonce)
    .bytes(appletNonce)
    .done();
}
