// A peer with every key of its link that keeps to no rule: it shakes hands as it should, then seals whatever it likes.
import { nodeCrypto } from '../../appliance/applet/node-crypto.ts';
import { fromBase64Url } from '../../appliance/guid.ts';
import type { AttachOptions } from '../../appliance/link/attach-exchange.ts';
import { type HandshakeResult, helloFromConsole } from '../../appliance/link/handshake.ts';
import { controlKey, firstEpoch, nextEpoch } from '../../appliance/link/keys.ts';
import { Link, type LinkOptions } from '../../appliance/link/link.ts';
import { PathPort } from '../../appliance/link/path-port.ts';
import { type Bytes, concat } from '../../appliance/protocol/bytes.ts';
import { type ControlFrame, readControl, writeControl } from '../../appliance/protocol/control-frames.ts';
import {
  associatedData,
  DIRECTION,
  type Direction,
  HEADER_BYTES,
  nonceOf,
  parseRecord,
  RECORD,
  writeHeader,
} from '../../appliance/protocol/record.ts';
import { MemoryPair, type TestSession, testSession } from './support.ts';

const OURS = DIRECTION.consoleToApplet;

/** What of a record is not as it should be. */
export interface Twist {
  readonly seq?: number;
  readonly epoch?: number;
  readonly direction?: Direction;
  readonly linkId?: Bytes;
}

/** Plays the console against an honest applet. */
export class EvilPeer {
  readonly session: TestSession;
  readonly honest: Link;
  readonly pair: MemoryPair;
  readonly result: HandshakeResult;
  /** What the applet sent after the handshake. */
  readonly received: Bytes[] = [];
  /** The next data record, and the next control record of the first path. */
  seq = 0;
  counter = 0;
  #options: LinkOptions;
  #port: PathPort;

  private constructor(
    session: TestSession,
    honest: Link,
    pair: MemoryPair,
    port: PathPort,
    result: HandshakeResult,
    options: LinkOptions,
  ) {
    this.session = session;
    this.honest = honest;
    this.pair = pair;
    this.#port = port;
    this.result = result;
    this.#options = options;
    const nothing = () => undefined;
    port.handle({ message: message => void this.received.push(message), drained: nothing, closed: nothing });
  }

  /** @param changes of the applet's options */
  static async connect(changes: Partial<LinkOptions> = {}): Promise<EvilPeer> {
    const session = testSession();
    const pair = new MemoryPair();
    const port = new PathPort(pair.console);
    const { clock } = { ...session.options('console'), ...changes };
    const options = session.options('console', { clock });
    const [honest, result] = await Promise.all([
      Link.acceptApplet(session.options('applet', changes), pair.applet),
      helloFromConsole(options, port),
    ]);
    return new EvilPeer(session, honest, pair, port, result, options);
  }

  /** Seals a data record; the numbers go on by themselves. */
  data(plain: Bytes, twist: Twist = {}): Bytes {
    const { seq = this.seq++, epoch = 0 } = twist;
    let keys = firstEpoch(nodeCrypto, this.result.keys.secrets[OURS].slice());
    for (let i = 0; i < epoch; i++) keys = nextEpoch(nodeCrypto, keys);
    return this.#seal(RECORD.data, keys.key, plain, { ...twist, seq, epoch });
  }

  control(frames: readonly ControlFrame[], twist: Twist & { attach?: number } = {}): Bytes {
    const { seq = this.counter++, attach = 0 } = twist;
    const key = controlKey(nodeCrypto, this.result.keys.control, attach, OURS);
    return this.#seal(RECORD.control, key, concat(...frames.map(writeControl)), { ...twist, seq });
  }

  /** The data record the applet sent that is opened to this text, if it sent one. */
  opens(record: Bytes): Bytes {
    const direction = DIRECTION.appletToConsole;
    const { key } = firstEpoch(nodeCrypto, this.result.keys.secrets[direction].slice());
    const { seq } = parseRecord(record);
    const associated = associatedData(record, this.result.linkId, direction);
    if (key instanceof Promise) throw new TypeError('not synchronous');
    return key.open(nonceOf(seq), associated, record.subarray(HEADER_BYTES)) as Bytes;
  }

  /** The control frames the applet sent on the first path. */
  controlFrames(): ControlFrame[] {
    const key = controlKey(nodeCrypto, this.result.keys.control, 0, DIRECTION.appletToConsole);
    if (key instanceof Promise) throw new TypeError('not synchronous');
    return this.received
      .filter(record => record[0] === RECORD.control)
      .flatMap(record => {
        const associated = associatedData(record, this.result.linkId, DIRECTION.appletToConsole);
        const { seq } = parseRecord(record);
        return readControl(key.open(nonceOf(seq), associated, record.subarray(HEADER_BYTES)) as Bytes);
      });
  }

  send(...records: readonly Bytes[]): void {
    for (const record of records) this.#port.send(record);
  }

  /** For an ATTACH of its own making. */
  attachOptions(generation = 0, next = 0): AttachOptions {
    const { clock, sid } = this.#options;
    return {
      ...{ crypto: nodeCrypto, clock, sid: fromBase64Url(sid), linkId: this.result.linkId },
      ...{ resume: this.result.keys.resume, generation: () => generation, next: () => next },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.honest.close();
    this.#port.close();
  }

  #seal(type: 1 | 2, key: ReturnType<typeof controlKey>, plain: Bytes, twist: Twist & { seq: number }): Bytes {
    const { seq, epoch = 0, direction = OURS, linkId = this.result.linkId } = twist;
    const header = new Uint8Array(HEADER_BYTES);
    writeHeader(header, { type, epoch, seq, length: plain.length });
    if (key instanceof Promise) throw new TypeError('not synchronous');
    const sealed = key.seal(nonceOf(seq), associatedData(header, linkId, direction), [plain], HEADER_BYTES) as Bytes;
    sealed.set(header);
    return sealed;
  }
}
