// What the link adds to encryption: framing, sealing, keeping, and acknowledging records of 16 KiB, against bare
// AES-256-GCM of `node:crypto` over the same bytes. Both run in turns within one call, so that a busy machine slows
// both; their CPU time is compared, not the clock on the wall.
import { createCipheriv, randomBytes } from 'node:crypto';
import { nodeCrypto } from '../../appliance/applet/node-crypto.ts';
import { systemClock } from '../../appliance/clock.ts';
import type { AeadKey } from '../../appliance/link/crypto.ts';
import { RecordSender } from '../../appliance/link/record-sender.ts';
import { Streams } from '../../appliance/link/streams.ts';
import { readControl, writeControl } from '../../appliance/protocol/control-frames.ts';
import { DIRECTION, MAX_INTERACTIVE_BYTES, nonceOf } from '../../appliance/protocol/record.ts';
import { writeWindow } from '../../appliance/protocol/stream-frames.ts';
import type { Benches } from '../support/bench-line.ts';

const ROUNDS = 100;
const ROUND_BYTES = 8 * 2 ** 20;
const MESSAGE_BYTES = 2 ** 20;
const RECORDS_PER_ACK = 4;
const GOAL = 2;
const ASSOCIATED = new Uint8Array(29);

/** CPU microseconds of the whole process, all threads. */
function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function bareRound(key: Uint8Array, message: Uint8Array): void {
  for (let sealed = 0, seq = 0; sealed < ROUND_BYTES; sealed += MAX_INTERACTIVE_BYTES) {
    const at = sealed % MESSAGE_BYTES;
    const cipher = createCipheriv('aes-256-gcm', key, nonceOf(seq++));
    cipher.update(message.subarray(at, at + MAX_INTERACTIVE_BYTES));
    cipher.final();
    cipher.getAuthTag();
  }
}

class LinkRounds {
  readonly #streams: Streams;
  readonly #sender: RecordSender;
  readonly #ackKey = nodeCrypto.aeadKey(new Uint8Array(32)) as AeadKey;
  readonly #stream: ReturnType<Streams['open']>;
  readonly #message: Uint8Array<ArrayBuffer>;
  readonly #sealedAcks: Uint8Array<ArrayBuffer>[] = [];
  #acks = 0;
  #records = 0;
  #limit = 0;

  constructor(message: Uint8Array<ArrayBuffer>) {
    this.#message = message;
    const fail = (error: unknown) => {
      throw error;
    };
    const nothing = () => undefined;
    this.#streams = new Streams({ role: 'applet', ready: nothing, opened: nothing, countFrame: nothing, fail });
    this.#sender = new RecordSender({
      ...{ crypto: nodeCrypto, clock: systemClock, secret: new Uint8Array(randomBytes(32)), fail, sealed: nothing },
      ...{ linkId: new Uint8Array(16), direction: DIRECTION.appletToConsole },
    });
    this.#stream = this.#streams.open('screen', 3);
  }

  /** Seals the peer's ACKs of a round to come: that is its work, not this end's. */
  prepare(): void {
    const wanted = this.#acks + (2 * ROUND_BYTES) / MAX_INTERACTIVE_BYTES / RECORDS_PER_ACK;
    for (let i = this.#sealedAcks.length; i < wanted; i++) {
      const ack = writeControl({ type: 'ack', next: (i + 1) * RECORDS_PER_ACK });
      this.#sealedAcks.push(this.#ackKey.seal(nonceOf(i), ASSOCIATED, [ack], 0) as typeof ack);
    }
  }

  run(): void {
    for (let sent = 0; sent < ROUND_BYTES; sent += MESSAGE_BYTES) {
      this.#stream.send(this.#message);
      while (this.#stream.queuedBytes > 0) this.#turn();
    }
  }

  /** One record out; each fourth is followed by the peer's ACK, which is opened, and by its credit. */
  #turn(): void {
    const content = this.#streams.take();
    if (content === null) throw new Error('nothing to send');
    this.#sender.seal(content.parts, content.length);
    if (this.#sender.next() === null) throw new Error('not sealed at once');
    if (++this.#records % RECORDS_PER_ACK > 0) return;
    const sealed = this.#sealedAcks[this.#acks];
    if (sealed === undefined) throw new Error('too few ACKs were prepared');
    const opened = this.#ackKey.open(nonceOf(this.#acks++), ASSOCIATED, sealed) as typeof sealed;
    for (const frame of readControl(opened)) if (frame.type === 'ack') this.#sender.acknowledge(frame.next);
    this.#limit += 2 * RECORDS_PER_ACK * MAX_INTERACTIVE_BYTES;
    this.#streams.deliver(writeWindow(this.#stream.id, this.#limit));
  }
}

/** The mean of the better half of many short rounds: what others do on the machine meanwhile falls out. */
function undisturbed(values: readonly number[]): number {
  const better = values.toSorted((a, b) => a - b).slice(0, values.length / 2);
  return better.reduce((sum, value) => sum + value, 0) / better.length;
}

export const benches: Benches = {
  'link-cost': async () => {
    const [key, message] = [randomBytes(32), new Uint8Array(randomBytes(MESSAGE_BYTES))];
    const link = new LinkRounds(message);
    bareRound(key, message); // warm, not counted
    link.prepare();
    link.run();
    const [bare, ours]: [number[], number[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      link.prepare();
      const start = cpuMicros();
      bareRound(key, message);
      const middle = cpuMicros();
      link.run();
      bare.push(middle - start);
      ours.push(cpuMicros() - middle);
    }
    const perGigabyte = (micros: number) => (micros / 1e6 / ROUND_BYTES) * 1e9;
    const ratio = undisturbed(ours) / undisturbed(bare);
    return [
      {
        ...{
          bench: 'link-cost',
          value: perGigabyte(undisturbed(ours)),
          unit: 'CPU s/GB sealed, framed, acknowledged at 16 KiB',
        },
        ...{
          against: 'bare AES-256-GCM of node:crypto',
          other: perGigabyte(undisturbed(bare)),
          ratio,
          goal: GOAL,
          ok: ratio <= GOAL,
        },
      },
    ];
  },
};
