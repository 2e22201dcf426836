// What the portal knows of recordings (H-03 H-05): who may bring one to the recorder, what is live, what the applet has signed
// of it, and the manifest of each finished one, which joins the film to both.
import { randomBytes } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import { type Actor, applianceActor } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { type SessionId, toBase64Url } from '../guid.ts';
import type { Metrics } from '../metrics.ts';
import type { CanonicalValue } from '../protocol/canonical-json.ts';
import {
  type FinishedRecording,
  LIVE_AGAIN_MS,
  type RecordingGrant,
  type RecordingLive,
  type SignedManifest,
} from '../protocol/recorder-portal.ts';
import { attestedPart } from '../protocol/recording-proof.ts';
import { ATTESTATION_DOMAIN, parseAttestation } from '../protocol/recording-receipt.ts';
import type { Signed } from '../protocol/signed.ts';
import type { Reader } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { checkAppletBytes } from './applet-signature.ts';
import {
  type AttestationRow,
  findAttestation,
  findRecording,
  finishRecording,
  insertLive,
  isBegunOn,
  keepAttestation,
  listLiveOf,
  listRecordings,
  type RecordingRow,
  setLive,
} from './recording-store.ts';
import { sha256 } from './session-secrets.ts';
import { isOver } from './session-state.ts';
import type { SessionRow } from './session-store.ts';
import type { Sessions } from './sessions.ts';

export const RECORDING_TOKEN_MS = 60_000;
const TOKEN_BYTES = 32;
/** 1 kept the last receipt only (`protocol/recording-proof.ts`). */
const MANIFEST_VERSION = 2;
/** A console asks for one when a picture is opened, and when the recorder was away. */
const MAX_TOKENS = 4096;
const MAX_TOKENS_OF_SESSION = 32;
/** Links; the oldest are forgotten. */
const MAX_BROUGHT = 16_384;
/** The recorder says so often that it proves a stream (`LIVE_AGAIN_MS`); one that was killed says nothing. */
export const LIVE_FOR_MS = 3 * LIVE_AGAIN_MS;

export interface ManifestSigner {
  signManifest(
    payload: Readonly<Record<string, CanonicalValue>>,
  ): Promise<{ readonly kid: string; readonly payload: Uint8Array; readonly signature: string }>;
}

export interface RecordingsOptions {
  readonly store: Store;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly sessions: Pick<Sessions, 'get'>;
  readonly signer: ManifestSigner;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

interface Issued extends Pick<RecordingGrant, 'sid' | 'sub'> {
  readonly until: number;
}

export class SessionRecordings {
  readonly #options: RecordingsOptions;
  /** By digest. They die with this process: a console asks for another. */
  readonly #tokens = new Map<string, Issued>();
  readonly #refused;
  /** When it was last said of a stream, by its nonce, that it is proved; since this process began. */
  readonly #heardAt = new Map<string, number>();
  readonly #begunAt: number;
  /** Links under which somebody brought a stream to the recorder; since this process began. */
  readonly #brought = new Set<string>();

  constructor(options: RecordingsOptions) {
    this.#options = options;
    this.#begunAt = options.clock.monotonic();
    this.#refused = options.metrics.counter(
      'recording_tokens_refused_total',
      'Tokens for the recorder that were refused.',
    );
  }

  /**
   * A token with which the session's technician brings a stream to the recorder, once.
   * @returns base64url
   * @throws ApplianceError `recording.too-many-tokens`
   */
  issue(sid: SessionId, memberId: string): string {
    const now = this.#options.clock.now();
    for (const [digest, { until }] of this.#tokens) if (until <= now) this.#tokens.delete(digest);
    const ofSession = [...this.#tokens.values()].filter(token => token.sid === sid).length;
    if (this.#tokens.size >= MAX_TOKENS || ofSession >= MAX_TOKENS_OF_SESSION)
      throw new ApplianceError(
        'limited',
        'recording.too-many-tokens',
        'too many recordings were begun; try again in a minute',
      );
    const token = randomBytes(TOKEN_BYTES);
    this.#tokens.set(toBase64Url(sha256(token)), { sid, sub: memberId, until: now + RECORDING_TOKEN_MS });
    return toBase64Url(token);
  }

  /**
   * Uses it up.
   * @param digest base64url of the token's SHA-256
   * @throws ApplianceError `recording.token-refused`, which never says why
   */
  async use(digest: string): Promise<RecordingGrant> {
    const token = this.#tokens.get(digest);
    this.#tokens.delete(digest);
    if (token !== undefined && token.until > this.#options.clock.now()) {
      const { ownerId, linkId, createdAt } = await this.#options.sessions.get(token.sid);
      // A stream is proved to its end after the session, too: only whose it was must be the same.
      if (ownerId === token.sub) {
        if (linkId !== null) this.#noteBrought(linkId);
        return { sid: token.sid, sub: token.sub, since: createdAt };
      }
    }
    this.#refused.add({});
    throw new ApplianceError('refused', 'recording.token-refused', 'that token is not valid');
  }

  #noteBrought(linkId: string): void {
    this.#brought.add(linkId);
    const [oldest] = this.#brought;
    if (oldest !== undefined && this.#brought.size > MAX_BROUGHT) this.#brought.delete(oldest);
  }

  /**
   * The recorder says that a stream is being proved, now and again, or that it is not (any more).
   * @returns whether its session is over, so that nothing follows
   */
  async live({ sid: sessionId, linkId, nonce, isLive }: RecordingLive): Promise<boolean> {
    const { store, audit, sessions, clock } = this.#options;
    if (isLive) this.#heardAt.set(nonce, clock.monotonic());
    else this.#heardAt.delete(nonce);
    return store.core.transaction(async tx => {
      const { state } = await sessions.get(sessionId, tx);
      const isNew = isLive && (await insertLive(tx, { nonce, sessionId, linkId, now: clock.now() }));
      const isOther = isNew || (await setLive(tx, { nonce, sessionId, isLive }));
      if (isOther) {
        const event = isLive ? (isNew ? 'recording.started' : 'recording.resumed') : 'recording.interrupted';
        await audit.append(tx, { event, actor: applianceActor, sessionId, detail: { stream: nonce } });
      }
      return isOver(state);
    });
  }

  /** Whether the recorder was ever brought anything of this link, proved or not. */
  async isBrought({ id, linkId }: Pick<SessionRow, 'id' | 'linkId'>): Promise<boolean> {
    if (linkId !== null && this.#brought.has(linkId)) return true;
    return isBegunOn(this.#options.store.core.read, id, linkId);
  }

  /** Whether anything of the session is being recorded just now. */
  async isLive(id: SessionId): Promise<boolean> {
    const { store, clock } = this.#options;
    const since = clock.monotonic() - LIVE_FOR_MS;
    const live = await listLiveOf(store.core.read, id);
    return live.some(nonce => (this.#heardAt.get(nonce) ?? this.#begunAt) > since);
  }

  /**
   * A recording is finished: its file is as it will stay. Said again, the same manifest is given.
   * @throws ApplianceError `recording.other`: another one of that name is finished; `recording.attested-since`: the applet has
   *   signed more than the recorder knew of, so its receipt is for another place; `recording.erased`: its session was
   */
  async finished(recording: FinishedRecording): Promise<SignedManifest> {
    this.#heardAt.delete(recording.nonce);
    const { store, audit, signer, clock, sessions } = this.#options;
    const { nonce, sid: sessionId, linkId } = recording;
    this.checkNotErased(sessionId);
    const known = (await findRecording(store.core.read, nonce))?.finished;
    if (known != null) {
      if (known.sha256 === recording.sha256 && known.name === recording.name) return known.manifest;
      throw new ApplianceError('conflict', 'recording.other', 'another recording of this stream is finished');
    }
    const attested = await findAttestation(store.core.read, nonce);
    if ((attested?.bytes ?? null) !== (recording.attested?.offset ?? null))
      throw new ApplianceError('conflict', 'recording.attested-since', 'the applet has signed another place');
    const session = await sessions.get(sessionId);
    const said = manifestOf(recording, attested, session.appletKey);
    const { is: attests, unattested } = attestedPart(said);
    const signed = await signer.signManifest({ ...said, unattested });
    const manifest = { kid: signed.kid, payload: toBase64Url(signed.payload), signature: signed.signature };
    await store.core.transaction(async tx => {
      await insertLive(tx, { nonce, sessionId, linkId, now: clock.now() });
      await finishRecording(tx, recording, manifest, clock.now());
      const { name, bytes, sha256: digest, isWhole, isPaused, after, pausedMs, durationMs } = recording;
      const part = { ...(isPaused && { isPaused }), ...(after !== null && { after, pausedMs }) };
      const detail = { stream: nonce, name, bytes, sha256: digest, isWhole, durationMs, unattested, attests, ...part };
      await audit.append(tx, { event: 'recording.finished', actor: applianceActor, sessionId, detail });
    });
    return manifest;
  }

  /**
   * The applet counter-signs what it sent.
   * @throws ApplianceError `applet-signature.wrong`, `protocol.malformed`, `recording.attestation` for another session's
   */
  async attested(sessionId: SessionId, { payload, signature }: Signed, actor: Actor): Promise<void> {
    const { store, audit, sessions } = this.#options;
    const said = parseAttestation(payload);
    if (said.sid !== sessionId)
      throw new ApplianceError('refused', 'recording.attestation', 'an attestation of another session');
    const { appletKey } = await sessions.get(sessionId);
    checkAppletBytes(ATTESTATION_DOMAIN, { payload, signature }, appletKey);
    const row: AttestationRow = {
      ...{ nonce: toBase64Url(said.nonce), sessionId, linkId: toBase64Url(said.linkId), bytes: said.offset },
      ...{ digest: toBase64Url(said.digest), at: said.at, payload, signature: toBase64Url(signature) },
    };
    await store.core.transaction(async tx => {
      if (!(await keepAttestation(tx, row))) return; // it came again, or late
      const detail = { stream: row.nonce, bytes: row.bytes, digest: row.digest };
      await audit.append(tx, { event: 'recording.attested', actor, sessionId, detail });
    });
  }

  /** @throws ApplianceError `recording.erased`: nothing is made or kept of it any more */
  checkNotErased(id: SessionId): void {
    if (!this.#options.store.sessionKeys.erased.has(id)) return;
    throw new ApplianceError('missing', 'recording.erased', 'its session was erased');
  }

  list(sessionId: SessionId, from: Reader = this.#options.store.core.read): Promise<RecordingRow[]> {
    return listRecordings(from, sessionId);
  }

  find(nonce: string): Promise<RecordingRow | undefined> {
    return findRecording(this.#options.store.core.read, nonce);
  }

  /** How far the session's applet has signed this stream; null: nothing of it. */
  async attestedOffset(sessionId: SessionId, nonce: string): Promise<number | null> {
    const attested = await this.attestationOf(nonce);
    return attested?.sessionId === sessionId ? attested.bytes : null;
  }

  attestationOf(nonce: string): Promise<AttestationRow | undefined> {
    return findAttestation(this.#options.store.core.read, nonce);
  }
}

/** What is signed: the file, the recorder's last receipt and that for what is attested, and what the applet has said of the same stream. */
function manifestOf(
  recording: FinishedRecording,
  attested: AttestationRow | undefined,
  appletKey: string | null,
): Readonly<Record<string, CanonicalValue>> & { readonly v: number; readonly offset: number } {
  const { receipt, attested: known, after, pausedMs, ...facts } = recording;
  const attestedReceipt = known?.receipt ?? null;
  return {
    ...{ v: MANIFEST_VERSION, type: 'recording', ...facts },
    ...(after === null ? {} : { after, pausedMs }),
    ...(receipt === null ? {} : { receipt: { ...receipt } }),
    ...(attestedReceipt === null ? {} : { attestedReceipt: { ...attestedReceipt } }),
    ...(appletKey === null ? {} : { appletKey }),
    ...(attested === undefined ? {} : { attestation: asText(attested) }),
  };
}

function asText({ payload, signature }: AttestationRow): Readonly<Record<string, string>> {
  return { payload: toBase64Url(Uint8Array.from(payload)), signature };
}
