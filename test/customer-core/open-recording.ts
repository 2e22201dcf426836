// One session's recording on the customer's side, with a recorder of the test's own at the other end: it hashes what it gets
// by itself and signs with a real key.
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { nodeCrypto } from '../../appliance/applet/node-crypto.ts';
import { newStreamHash } from '../../appliance/applet/node-stream-hash.ts';
import type { RecordedStream } from '../../appliance/customer-core/recorded-stream.ts';
import { RecordingRule } from '../../appliance/customer-core/recording-rule.ts';
import { type SessionId, sessionIdFrom } from '../../appliance/guid.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import { recordedBytes } from '../../appliance/protocol/recorded-stream.ts';
import {
  RECEIPT_DOMAIN,
  type RecordingAttestation,
  type RecordingReceipt,
  receiptObject,
} from '../../appliance/protocol/recording-receipt.ts';
import { writeScreenRfb } from '../../appliance/protocol/screen.ts';
import { type Signed, signedMessage } from '../../appliance/protocol/signed.ts';
import { ManualClock } from '../support/manual-clock.ts';

export const KID = 'receipts-key-001';
const OTHER_KID = 'session-key-0001';
const newKeys = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });

export function random(bytes: number): Bytes {
  return new Uint8Array(randomBytes(bytes));
}

/** A picture of so many bytes on the wire of the hashed stream. */
export function picture(bytes: number): Bytes {
  return writeScreenRfb(new Uint8Array(bytes - 5).fill(7));
}

export class TestRecording {
  readonly clock = new ManualClock();
  readonly sid: SessionId = sessionIdFrom(random(16));
  readonly linkId = random(16);
  readonly attested: RecordingAttestation[] = [];
  readonly rule: RecordingRule;
  /** How often something may have changed. */
  changes = 0;
  readonly #receipts = newKeys();
  readonly #session = newKeys();

  constructor() {
    const spki = (key: KeyObject) => new Uint8Array(key.export({ type: 'spki', format: 'der' }));
    this.rule = new RecordingRule({
      ...{ clock: this.clock, sid: this.sid, crypto: nodeCrypto, newHash: newStreamHash },
      keys: [{ kid: KID, publicKey: spki(this.#receipts.publicKey) }],
      applianceTime: () => this.clock.now(),
      attest: attestation => this.attested.push(attestation),
      changed: () => this.changes++,
    });
  }

  open(isForced = true, linkId = this.linkId): TestStream {
    return new TestStream(this, this.rule.open(linkId, isForced), linkId);
  }

  /** A stream whose first picture is out and proved. */
  async live(): Promise<TestStream> {
    const stream = this.open();
    stream.send(1000);
    stream.stream.pictureSent();
    await stream.prove();
    return stream;
  }

  receipt(of: Omit<RecordingReceipt, 'kid' | 'time'>, over: Partial<RecordingReceipt> = {}): Signed {
    const { kid = KID, ...receipt } = { time: this.clock.now(), ...of, ...over };
    return this.signed({ ...receiptObject(receipt), kid });
  }

  /** By the key its `kid` names. */
  signed(object: Readonly<Record<string, string | number>>, domain = RECEIPT_DOMAIN): Signed {
    const payload = canonicalBytes(object);
    const { privateKey } = object.kid === KID ? this.#receipts : this.#session;
    const key = { key: privateKey, dsaEncoding: 'ieee-p1363' as const };
    return { payload, signature: new Uint8Array(sign('sha256', signedMessage(domain, payload), key)) };
  }

  /** A receipt that the key for sessions signed. */
  withOtherKey(of: Omit<RecordingReceipt, 'kid' | 'time'>): Signed {
    return this.receipt(of, { kid: OTHER_KID });
  }
}

/** A stream as the applet holds it, and as it reaches the recorder: whole, late or not at all, as the test likes. */
export class TestStream {
  readonly stream: RecordedStream;
  readonly #test: TestRecording;
  readonly #linkId: Bytes;
  /** What the recorder got. */
  readonly #hash = createHash('sha256');
  #offset = 0;

  constructor(test: TestRecording, stream: RecordedStream, linkId: Bytes) {
    this.#test = test;
    this.stream = stream;
    this.#linkId = linkId;
  }

  get offset(): number {
    return this.#offset;
  }

  /** Sends a picture of so many bytes, if the rule lets it; it reaches the recorder. @returns whether it was sent */
  send(bytes: number): boolean {
    if (!this.stream.admits(bytes)) return false;
    this.sendAnyway(bytes);
    return true;
  }

  sendAnyway(bytes: number): void {
    const message = picture(bytes);
    this.stream.add(message);
    this.received(recordedBytes(message));
  }

  /** What the recorder is given, whatever was sent. */
  received(bytes: Bytes): void {
    this.#hash.update(bytes);
    this.#offset += bytes.length;
  }

  get place() {
    const digest = new Uint8Array(this.#hash.copy().digest());
    return { sid: this.#test.sid, linkId: this.#linkId, nonce: this.stream.nonce, offset: this.#offset, digest };
  }

  /** The recorder's receipt for all it got so far. */
  receipt(over: Partial<RecordingReceipt> = {}): Signed {
    return this.#test.receipt(this.place, over);
  }

  async prove(): Promise<void> {
    await this.#test.rule.accept(this.receipt());
  }
}
