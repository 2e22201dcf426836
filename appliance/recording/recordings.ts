// All streams that are recorded: those that come now, and those a recorder before this one did not finish.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { fromBase64Url, type SessionId, toBase64Url } from '../guid.ts';
import type { Log } from '../log.ts';
import type { Counter, Metrics } from '../metrics.ts';
import type { Bytes } from '../protocol/bytes.ts';
import type { RcrecHead } from '../protocol/rcrec.ts';
import { RcrecFile } from '../protocol/rcrec-file.ts';
import type { RecordingGrant } from '../protocol/recorder-portal.ts';
import { type RecordingReceipt, receiptObject } from '../protocol/recording-receipt.ts';
import type { Signed } from '../protocol/signed.ts';
import type { RecordingPortal } from './portal-client.ts';
import { RcrecDiskOutput, RcrecDiskSource, sha256 } from './rcrec-disk.ts';
import { RcrecWriter } from './rcrec-writer.ts';
import { finishFile } from './receive/finishing.ts';
import { Journal } from './receive/journal.ts';
import { isErased, isOther, LiveStream, type StreamBringer } from './receive/live-stream.ts';
import { writeNote } from './receive/picture-track.ts';
import type { RecordingShare } from './recording-share.ts';
import { type FileBegun, StreamRecorder, type StreamRecorderParts } from './stream-recorder.ts';

const FLUSH_MS = 1000;
/** Of sessions that are recorded at one time; each takes up to 100 MB. */
const MAX_STREAMS = 256;
/** One runs, and those before it wait for share and portal: nobody takes all the room there is. */
const MAX_STREAMS_OF_SESSION = 32;

/** The signer's part, which it does for the recorder alone. */
export interface ReceiptSigner {
  signReceipt(
    receipt: Readonly<Record<string, string | number>>,
  ): Promise<{ readonly payload: Bytes; readonly signature: string }>;
}

export interface RecordingsParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly share: RecordingShare;
  /** On this machine's own disk. */
  readonly journalFolder: string;
  readonly signer: ReceiptSigner;
  readonly portal: Pick<RecordingPortal, 'live' | 'finished' | 'attested'>;
}

/** A file as a recorder before this one left it. */
interface FileLeft extends FileBegun {
  readonly head: RcrecHead;
  readonly output: RcrecDiskOutput;
}

interface Unfinished {
  readonly sid: SessionId;
  readonly finish: () => Promise<void>;
}

export class Recordings {
  readonly #parts: RecordingsParts;
  readonly #streams = new Map<string, LiveStream>();
  /** What can't be gone on with, for its journal is gone. */
  readonly #lost = new Set<string>();
  /** Files that could not be read yet: each costs its own stream only, and is looked at again. */
  readonly #unread = new Set<string>();
  /** Files that wait for share or portal, and for nothing else. */
  readonly #unfinished = new Map<string, Unfinished>();
  readonly #receipts: Counter;
  #cancel: Cancel | null = null;
  #isRestored = false;
  #working: Promise<void> = Promise.resolve();
  #isTicking = false;

  constructor(parts: RecordingsParts) {
    this.#parts = parts;
    this.#receipts = parts.metrics.counter('recording_receipts_total', 'Receipts that were signed.');
    const streams = parts.metrics.gauge('recording_streams', 'Streams that are recorded, by how that goes.');
    parts.metrics.sample(() => {
      const states = [...this.#streams.values()].map(({ state }) => state);
      const well = states.filter(state => state === 'recording').length;
      streams.set(well, { state: 'recording' });
      streams.set(states.length - well, { state: 'stopped' });
    });
  }

  async start(): Promise<void> {
    await mkdir(this.#parts.journalFolder, { recursive: true, mode: 0o700 });
    this.#cancel = this.#parts.clock.every(FLUSH_MS, () => {
      if (!this.#isTicking) this.#working = this.#tick();
    });
    this.#working = this.#tick();
    await this.#working;
  }

  /** What came stays for the next recorder. */
  async close(): Promise<void> {
    this.#cancel?.();
    await this.#working;
    await Promise.all([...this.#streams.values()].map(stream => stream.close()));
  }

  /**
   * A stream is brought: the bringer is told where it goes on.
   * @throws ApplianceError `recording.refused`, `recording.lost`, `recording.share-gone` before the share was there once,
   *   `recording.too-many`
   */
  async bring(nonce: Bytes, grant: RecordingGrant, bringer: StreamBringer): Promise<LiveStream> {
    const name = toBase64Url(nonce);
    if (!this.#isRestored)
      throw new ApplianceError('unavailable', 'recording.share-gone', 'the share was not there yet');
    if (this.#unread.has(name))
      throw new ApplianceError('unavailable', 'recording.share-gone', 'what is there of it can’t be read just now');
    if (this.#lost.has(name)) throw new ApplianceError('missing', 'recording.lost', 'its journal is gone');
    const stream = this.#streams.get(name) ?? (await this.#begin(name, grant.sid));
    await stream.broughtBy(bringer, grant);
    return stream;
  }

  async #begin(name: string, sid: SessionId): Promise<LiveStream> {
    if (this.#streams.size >= MAX_STREAMS)
      throw new ApplianceError('limited', 'recording.too-many', `${MAX_STREAMS} sessions are recorded already`);
    if ([...this.#streams.values()].filter(stream => stream.sid === sid).length >= MAX_STREAMS_OF_SESSION)
      throw new ApplianceError('limited', 'recording.too-many', `${MAX_STREAMS_OF_SESSION} streams of one session`);
    const journal = await Journal.open(this.#journalPath(name));
    return this.#streams.get(name) ?? this.#live(name, journal, new StreamRecorder(this.#recorderParts(name, journal)));
  }

  #live(name: string, journal: Journal, recorder: StreamRecorder): LiveStream {
    const { clock, log, share, portal } = this.#parts;
    const over = () => {
      this.#streams.delete(name);
    };
    const stream = new LiveStream({ clock, log, share, portal, name, journal, recorder, over });
    this.#streams.set(name, stream);
    return stream;
  }

  #recorderParts(name: string, journal: Journal): StreamRecorderParts {
    const { clock, share } = this.#parts;
    const create = () => new RcrecDiskOutput(share.writingPath(name), true);
    return { clock, journal, create, sign: receipt => this.#sign(receipt) };
  }

  async #sign(receipt: Omit<RecordingReceipt, 'kid'>): Promise<Signed> {
    const { payload, signature } = await this.#parts.signer.signReceipt(receiptObject(receipt));
    this.#receipts.add({});
    return { payload, signature: fromBase64Url(signature) };
  }

  async #tick(): Promise<void> {
    this.#isTicking = true;
    try {
      if (!this.#isRestored || this.#unread.size > 0) await this.#restoreAll();
      for (const [name, left] of this.#unfinished) await this.#tryToFinish(name, left);
      await Promise.all([...this.#streams.values()].map(stream => stream.tick()));
    } catch (error) {
      this.#parts.log.error('recorder.defect', { why: describeError(error) }); // the others go on in a second
    }
    this.#isTicking = false;
  }

  async #tryToFinish(name: string, { sid, finish }: Unfinished): Promise<void> {
    try {
      await finish();
      this.#unfinished.delete(name);
    } catch (error) {
      if (isErased(error) || isOther(error)) {
        await (isErased(error) ? this.#parts.share.discard(name) : this.#parts.share.setAside(name, sid));
        this.#unfinished.delete(name);
        return;
      }
      this.#parts.log.warn('recording.not-finished', { stream: name, why: describeError(error) }); // in a second again
    }
  }

  /** Again and again until the share is there. */
  async #restoreAll(): Promise<void> {
    const { share, log } = this.#parts;
    try {
      await share.prepare();
      for (const name of await share.writing())
        if (!this.#isRestored || this.#unread.has(name)) await this.#tryToRestore(name);
      const there = new Set(await share.writing());
      for (const name of this.#unread) if (!there.has(name)) this.#unread.delete(name);
      this.#isRestored = true;
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      log.warn('recording.no-share', { code: error.code, why: error.message });
    }
  }

  async #tryToRestore(name: string): Promise<void> {
    if (this.#streams.has(name) || this.#unfinished.has(name)) return; // of a round that did not come to its end
    try {
      await this.#restore(name);
      this.#unread.delete(name);
    } catch (error) {
      if (!this.#unread.has(name))
        this.#parts.log.error('recording.unread', { stream: name, why: describeError(error) });
      this.#unread.add(name);
    }
  }

  async #restore(name: string): Promise<void> {
    const { share, log } = this.#parts;
    const file = await this.#fileOf(name);
    const journal = await Journal.open(this.#journalPath(name));
    try {
      const recorder = await StreamRecorder.restore(this.#recorderParts(name, journal), file);
      this.#live(name, journal, recorder);
      log.info('recording.restored', { stream: name });
    } catch (error) {
      // It can't be gone on with, but what is in it can be seen: it is finished as it is.
      log.warn('recording.not-restored', { stream: name, why: describeError(error) });
      this.#lost.add(name);
      await journal.remove();
      if (file === null) await share.discard(name);
      else this.#unfinished.set(name, { sid: file.head.sid, finish: this.#finisher(name, file) });
    }
  }

  /** It is ended once: what the portal has signed is not written again. */
  #finisher(name: string, file: FileLeft): () => Promise<void> {
    const { share, portal } = this.#parts;
    const { head, durationMs, offset } = file;
    let isEnded = !file.isCut;
    return async () => {
      if (!isEnded) await this.#endAsItIs(file);
      isEnded = true;
      const end = { isWhole: false, isPaused: false, receipt: null, receiptAt: async () => null };
      await finishFile(share, portal, { name, head, durationMs, offset, ...end });
    };
  }

  async #endAsItIs(file: FileLeft): Promise<void> {
    await file.output.truncate(file.goodBytes); // what an attempt before this one has left
    const writer = RcrecWriter.goOn(file.output, file);
    writer.mark(writeNote('lost', this.#parts.clock.now()), true);
    await writer.end(file.offset);
    await writer.close();
  }

  /** @returns null where no picture is in it */
  async #fileOf(name: string): Promise<FileLeft | null> {
    const path = this.#parts.share.writingPath(name);
    const source = await RcrecDiskSource.open(path);
    try {
      const { head, index, durationMs, offset, goodBytes, isCut } = await RcrecFile.open(source, sha256);
      const output = new RcrecDiskOutput(path, false);
      // One that has its end may be signed for already: it stays as it is.
      if (isCut) await output.truncate(goodBytes);
      await output.close(); // opened again when there is something to write
      return { head, index, durationMs, offset, goodBytes, isCut, output };
    } catch (error) {
      if (!(error instanceof ApplianceError) || error.kind !== 'malformed') throw error;
      await rm(path, { force: true }); // not even its head was written wholly
      return null;
    } finally {
      await source.close();
    }
  }

  #journalPath(name: string): string {
    return join(this.#parts.journalFolder, `${name}.journal`);
  }
}
