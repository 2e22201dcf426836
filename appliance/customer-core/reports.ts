// The applet's reports (TRUST: the applet's own leg): signed, counted, chained, and kept until the appliance has
// acknowledged them. They travel on the applet's own leg, never through the console. Nothing starts before its "started"
// is acknowledged; with the appliance away, what runs goes on and new things are refused.
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { SessionId } from '../guid.ts';
import type { Bytes } from '../protocol/bytes.ts';
import {
  type AppletSigned,
  type AppletSigner,
  type Later,
  REPORT_DOMAIN,
  type Report,
  writeReport,
} from './objects.ts';

const HASH_BYTES = 32;
const ID_BYTES = 16;
export const MAX_UNACKNOWLEDGED = 10_000;
/** A start that isn't acknowledged within this is refused. */
export const START_TIMEOUT_MS = 5000;

export type Told = Pick<Report, 'stage' | 'action'> & Partial<Pick<Report, 'consentId' | 'detail' | 'digest'>>;

export interface ReportsOptions {
  readonly clock: Clock;
  readonly applianceTime: () => number;
  readonly sid: SessionId;
  readonly sha256: (bytes: Bytes) => Later<Bytes>;
  readonly sign: AppletSigner;
  /** Is told of each, as it is told. */
  readonly heard?: (told: Told) => void;
  /** Sends on the own leg, if there is one just now. */
  readonly send: (report: AppletSigned) => void;
}

interface Waiting extends AppletSigned {
  readonly count: number;
  readonly acknowledged: () => void;
}

export class Reports {
  readonly #options: ReportsOptions;
  readonly #waiting: Waiting[] = [];
  #previous: Bytes = new Uint8Array(HASH_BYTES);
  #count = 0;
  // Reports are signed one after the other, however long signing takes: the chain has one order.
  #line: Promise<unknown> = Promise.resolve();

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  /** @returns once it is signed and on its way; `acknowledged` resolves when the appliance has it */
  tell(told: Told): Promise<{ readonly acknowledged: Promise<void> }> {
    this.#options.heard?.(told);
    const next = this.#line.then(() => this.#add(told));
    this.#line = next.catch(() => undefined); // this one's caller is told; the next report is not its concern
    return next;
  }

  /**
   * Reports "started" and waits for the appliance to have it.
   * @throws ApplianceError `report.unacknowledged`: then nothing may be started
   */
  tellStart(told: Omit<Told, 'stage'>): Promise<void> {
    const undone = { ...told, stage: 'ended', detail: 'not started: no answer' } as const;
    return this.tellFirst({ ...told, stage: 'started' }, undone);
  }

  /**
   * Reports what may be done only when the appliance has it.
   * @param undone is reported where it did not answer
   * @throws ApplianceError `report.unacknowledged`: then it may not be done
   */
  async tellFirst(told: Told, undone: Told): Promise<void> {
    const { acknowledged } = await this.tell(told);
    const { clock } = this.#options;
    await new Promise<void>((resolve, reject) => {
      const cancel = clock.after(START_TIMEOUT_MS, () =>
        reject(new ApplianceError('unavailable', 'report.unacknowledged', 'the appliance did not answer: not started')),
      );
      acknowledged.then(() => {
        cancel();
        resolve();
      }, reject);
    }).catch(async error => {
      await this.tell(undone);
      throw error;
    });
  }

  /** The appliance has everything up to this count. */
  acknowledge(count: number): void {
    while (this.#waiting[0] !== undefined && this.#waiting[0].count <= count) this.#waiting.shift()?.acknowledged();
  }

  /** The own leg is there again: what wasn't acknowledged goes once more, in order. */
  resend(): void {
    for (const { payload, signature } of this.#waiting) this.#options.send({ payload, signature });
  }

  /** How many are not acknowledged. */
  get waiting(): number {
    return this.#waiting.length;
  }

  async #add(told: Told): Promise<{ acknowledged: Promise<void> }> {
    if (this.#waiting.length >= MAX_UNACKNOWLEDGED) {
      throw new ApplianceError('unavailable', 'report.too-many', 'too many reports wait for the appliance');
    }
    const { sid, applianceTime, sha256, sign, send } = this.#options;
    const none = { consentId: new Uint8Array(ID_BYTES), detail: '', digest: new Uint8Array(HASH_BYTES) };
    const count = this.#count + 1;
    const payload = writeReport({ sid, count, previous: this.#previous, at: applianceTime(), ...none, ...told });
    const signature = await sign(REPORT_DOMAIN, payload);
    this.#previous = await sha256(payload);
    this.#count = count;
    const acknowledged = new Promise<void>(resolve => {
      this.#waiting.push({ count, payload, signature, acknowledged: resolve });
    });
    send({ payload, signature });
    return { acknowledged };
  }
}
