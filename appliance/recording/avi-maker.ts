// Makes the AVIs of finished recordings, one after the other. The share holds a note of each from before it is finished until
// its AVI is there, so that nothing is forgotten whenever this process ends; every step can be done again.
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { parseSessionId, type SessionId } from '../guid.ts';
import type { Log } from '../log.ts';
import type { Counter, Metrics } from '../metrics.ts';
import type { AviState, AviWish } from '../protocol/recorder-portal.ts';
import type { RecordingPortal } from './portal-client.ts';
import type { AviMade } from './rcrec-to-avi.ts';
import { AVI_ENDING, RCREC_ENDING, type RecordingShare, type Unconverted } from './recording-share.ts';

const LOOK_EVERY_MS = 2000;
const FIRST_RETRY_MS = 10_000;
const LAST_RETRY_MS = 3_600_000;

/** In a process of its own, that gives way to all others and ends with this one or with `signal`. */
export type Convert = (
  wish: { readonly from: string; readonly to: string; readonly onProgress: (share: number) => void },
  signal: AbortSignal,
) => Promise<AviMade>;

export interface AviMakerParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly share: RecordingShare;
  readonly portal: Pick<RecordingPortal, 'format' | 'aviMade' | 'aviFailed'>;
  readonly convert: Convert;
}

export class AviMaker {
  readonly #parts: AviMakerParts;
  readonly #made: Counter;
  readonly #ended = new AbortController();
  /** By name: not before this, and how long it waits after that. */
  readonly #waiting = new Map<string, { at: number; ms: number; code: string }>();
  #making: { readonly name: string; percent: number } | null = null;
  #working: Promise<void> | null = null;
  #cancel: Cancel | null = null;

  constructor(parts: AviMakerParts) {
    this.#parts = parts;
    this.#made = parts.metrics.counter('recording_avi_total', 'AVIs of recordings, by what became of them.');
  }

  start(): void {
    const look = () => {
      this.#working ??= this.look().finally(() => {
        this.#working = null;
      });
    };
    this.#cancel = this.#parts.clock.every(LOOK_EVERY_MS, look);
    look();
  }

  /** What is being made is begun again by the next one. */
  async close(): Promise<void> {
    this.#cancel?.();
    this.#ended.abort();
    await this.#working;
  }

  /**
   * Whatever is kept of it, an AVI is made beside it. It is noted when this resolves.
   * @throws ApplianceError `recording.missing`, `recording.share-…`
   */
  async want({ stream, name }: AviWish): Promise<void> {
    const { share } = this.#parts;
    if (!(await share.has(`${share.finishedPath(name)}${RCREC_ENDING}`)))
      throw new ApplianceError('missing', 'recording.missing', 'there is no such film');
    await share.want(stream, name);
    this.#waiting.delete(stream); // somebody may have made room
  }

  /** @throws ApplianceError `recording.share-…` */
  async stateOf({ stream }: AviWish): Promise<AviState> {
    const making = this.#making;
    if (making?.name === stream) return { state: 'making', percent: making.percent, code: null };
    const { code } = this.#waiting.get(stream) ?? { code: null };
    if (code !== null) return { state: 'put-off', percent: 0, code };
    const isNoted = (await this.#parts.share.unconverted()).some(({ name }) => name === stream);
    return { state: isNoted ? 'waiting' : 'none', percent: 0, code: null };
  }

  /** Deals with all that is noted and not put off. */
  async look(): Promise<void> {
    const { share, log, clock } = this.#parts;
    try {
      for (const recording of await share.unconverted()) {
        if (this.#ended.signal.aborted) return;
        if (clock.now() >= (this.#waiting.get(recording.name)?.at ?? 0)) await this.#attempt(recording);
      }
    } catch (error) {
      log.warn('recording.avi-no-share', { why: describeError(error) }); // looked for again
    }
  }

  async #attempt(recording: Unconverted): Promise<void> {
    const { name } = recording;
    const { clock, log } = this.#parts;
    try {
      await this.#deal(recording);
      this.#waiting.delete(name);
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      const ms = Math.min(LAST_RETRY_MS, (this.#waiting.get(name)?.ms ?? FIRST_RETRY_MS / 2) * 2);
      const code = error instanceof ApplianceError ? error.code : 'appliance.defect';
      this.#waiting.set(name, { at: clock.now() + ms, ms, code });
      this.#made.add({ outcome: 'put-off' });
      log.warn('recording.avi-put-off', { stream: name, why: describeError(error), retryMs: ms });
    }
  }

  async #deal(recording: Unconverted): Promise<void> {
    const { share, portal } = this.#parts;
    const { name, finishedName } = recording;
    const path = share.finishedPath(finishedName);
    const [from, avi] = [`${path}${RCREC_ENDING}`, `${path}${AVI_ENDING}`];
    if (!(await share.has(from))) {
      if (!(await share.has(share.writingPath(name)))) await share.converted(recording); // all of it was deleted
      return;
    }
    const sid = sessionOf(finishedName);
    const kept = await portal.format(sid);
    const format = kept !== null && recording.isWanted ? 'both' : kept;
    if (format !== null && format !== 'rcrec') {
      const isThere = (await share.has(avi)) || (await this.#make(recording, sid, from, format === 'avi'));
      if (isThere && format === 'avi') await share.removeRcrec(finishedName);
    }
    await share.converted(recording);
  }

  /** @returns false where there is nothing to make one of, and there never will be */
  async #make(recording: Unconverted, sid: SessionId, from: string, isOnly: boolean): Promise<boolean> {
    const { share, portal, log } = this.#parts;
    const { name, finishedName } = recording;
    try {
      const { frames, width, height, codec } = await this.#convert(name, from);
      const { sha256: rcrecSha256 } = await share.facts(from);
      const facts = await share.facts(share.aviPath(name));
      const made = { sid, name: finishedName, rcrecSha256, ...facts, codec, frames, width, height, isOnly };
      await share.finishAvi(recording, `${JSON.stringify(await portal.aviMade(made))}\n`);
      log.info('recording.avi-made', { stream: name, sessionId: sid, codec, frames, bytes: facts.bytes });
      this.#made.add({ outcome: 'made' });
      return true;
    } catch (error) {
      if (!(error instanceof ApplianceError) || !['malformed', 'missing'].includes(error.kind)) throw error;
      log.error('recording.avi-failed', { stream: name, sessionId: sid, code: error.code, why: error.message });
      await portal.aviFailed({ sid, name: finishedName, code: error.code });
      this.#made.add({ outcome: 'failed' });
      return false;
    }
  }

  async #convert(name: string, from: string): Promise<AviMade> {
    const { share, log, convert } = this.#parts;
    await share.clearAvi(name);
    const making = { name, percent: 0 };
    this.#making = making;
    const onProgress = (part: number) => {
      making.percent = Math.floor(part * 100);
      log.info('recording.avi-progress', { stream: name, percent: making.percent });
    };
    try {
      return await convert({ from, to: share.aviPath(name), onProgress }, this.#ended.signal);
    } finally {
      this.#making = null;
    }
  }
}

/** @param finishedName `2026/06/01/080000-<session>-<stream>` */
function sessionOf(finishedName: string): SessionId {
  const [, session = ''] = /\/\d{6}-([A-Za-z0-9_-]{22})-[A-Za-z0-9_-]{22}$/.exec(finishedName) ?? [];
  return parseSessionId(session);
}
