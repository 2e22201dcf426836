// The evidence bundle of one session (K-03), put together from what log, store and recording share have of it, and streamed:
// form in protocol/evidence.ts. That it was taken is the last entry in it, and commits the chain to all entries before.
import { createHash, createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { AuditLog } from '../audit/audit.ts';
import type { StoredEntry } from '../audit/audit-store.ts';
import { type Actor, bodyLabel } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { type SessionId, toBase64Url } from '../guid.ts';
import { pathName } from '../permissions/decision.ts';
import { withoutNulls } from '../protocol/audit-entry.ts';
import { canonicalBytes } from '../protocol/canonical-json.ts';
import {
  committedText,
  type EvidenceEntry,
  type EvidenceFile,
  type EvidenceManifest,
  type EvidenceRecording,
  type EvidenceStatement,
  EXPORTED_EVENT,
  MANIFEST_FILE,
  MAX_EVIDENCE_MANIFEST_BYTES,
  SIGNATURE_FILE,
} from '../protocol/evidence.ts';
import type { KeptRecordings } from '../recording/kept-recordings.ts';
import type { ManifestSigner } from '../sessions/recordings.ts';
import type { SessionRow } from '../sessions/session-store.ts';
import type { Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { type BundleFile, bundleBytes, streamBundle } from './evidence/bundle-stream.ts';
import { logPage } from './evidence/log-page.ts';
import { makeVerifierPage } from './evidence/verifier-page.ts';
import type { Support } from './support.ts';

const MAX_ENTRIES = 100_000;
/** Of which a verifier reads the zip's directory. */
const MAX_FILMS = 8000;
/** What the log of every session begins with. */
const FIRST_EVENT = 'session.created';
const Signed = z.strictObject({ kid: z.string(), payload: z.string(), signature: z.string() });
const Statement = z.strictObject({ payload: z.string(), signature: z.string() });

export interface EvidenceDeskParts {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly support: Pick<Support, 'sessions' | 'channels' | 'chat' | 'groups' | 'recordings'>;
  readonly films: Pick<KeptRecordings, 'filesOf'>;
  readonly signer: ManifestSigner;
  /** Of the keys a bundle is verified with: the data folder's `public/`. */
  readonly publicFolder: string;
  readonly organisation: string;
  readonly clock: Clock;
}

export interface EvidenceBundle {
  readonly bytes: number;
  readonly stream: () => AsyncGenerator<Uint8Array>;
}

type Facts = Omit<EvidenceManifest, 'files' | 'recordings' | 'statements' | 'chain'>;

interface Film {
  readonly file: EvidenceFile;
  readonly source: BundleFile;
}

export class EvidenceDesk {
  readonly #parts: EvidenceDeskParts;
  /** Bundling takes a second: once, when the first is asked for. */
  #verifier: Promise<Buffer> | undefined;

  constructor(parts: EvidenceDeskParts) {
    this.#parts = parts;
  }

  /** The page that checks bundles. */
  verifier(): Promise<Buffer> {
    this.#verifier ??= makeVerifierPage();
    return this.#verifier;
  }

  /**
   * @throws ApplianceError `session.missing`, `evidence.destroyed`, `evidence.too-long`, `audit.busy`
   */
  async bundle(id: SessionId, actor: Actor): Promise<EvidenceBundle> {
    const { signer } = this.#parts;
    const session = await this.#find(id);
    const told = await this.#tell(id, actor);
    const statements = await this.#statements(id, told.stored);
    const films = await this.#films(id);
    const lines = await this.#lines(id);
    const isErased = session === null || statements === null || lines === null;
    const facts = { ...(await this.#facts(id, isErased, actor)), ...(session && (await this.#factsOf(session))) };
    const html = Buffer.from(logPage({ ...facts, entries: told.stored.map(({ entry }) => entry), lines }), 'utf8');
    const files = [textFile('log.html', html), textFile('verify.html', await this.verifier()), ...films.files];
    const manifest: EvidenceManifest = {
      ...facts,
      files: files.map(({ file }) => file),
      recordings: films.recordings,
      statements: statements ?? [],
      chain: { entries: told.entries, head: told.head },
    };
    const bytes = canonicalBytes({ ...manifest } as unknown as Parameters<typeof canonicalBytes>[0]);
    if (bytes.length > MAX_EVIDENCE_MANIFEST_BYTES || films.files.length > MAX_FILMS) throw tooLong();
    const said = { v: 1, type: 'evidence', sid: id, sha256: sha256(bytes), bytes: bytes.length } as const;
    const { kid, payload, signature } = await signer.signManifest(said);
    const signed = canonicalBytes({ kid, payload: toBase64Url(payload), signature });
    const all = [
      ...[textFile(MANIFEST_FILE, bytes), textFile(SIGNATURE_FILE, signed), ...files].map(({ source }) => source),
    ];
    return { bytes: bundleBytes(all), stream: () => streamBundle(all) };
  }

  /**
   * Null for one that was erased with its row: the log still knows it.
   * @throws ApplianceError `session.missing`, `evidence.destroyed`
   */
  async #find(id: SessionId): Promise<SessionRow | null> {
    const session = await this.#parts.support.sessions.get(id).catch((error: unknown) => {
      if (error instanceof ApplianceError && error.code === 'session.missing') return error;
      throw error;
    });
    const [first] = await this.#entries({ sessionId: id });
    if (session instanceof ApplianceError && first === undefined) throw session;
    if (first?.entry.event !== FIRST_EVENT) throw destroyed(); // a part of its log would pass for all of it
    return session instanceof ApplianceError ? null : session;
  }

  /** All entries of the session, and the one that says who took them; signed exactly there. */
  async #tell(sessionId: SessionId, actor: Actor) {
    const { audit } = this.#parts;
    const head = await audit.appendSigned(async tx => {
      const before = await this.#entries({ sessionId }, tx);
      const digest = sha256(Buffer.from(committedText(before.map(({ entry }) => entry)), 'utf8'));
      return { event: EXPORTED_EVENT, actor, sessionId, detail: { entries: before.length, digest } };
    });
    const stored = await this.#entries({ sessionId, before: head.seq + 1 });
    const hashes = await audit.hashesOf(
      stored.map(({ entry }) => entry.seq - 1),
      true,
    );
    const entries = stored.map(({ entry }): EvidenceEntry => {
      const previous = hashes.get(entry.seq - 1);
      if (previous === undefined) throw destroyed();
      const { actor: by, detail, hash, ...rest } = entry;
      const fields = {
        ...withoutNulls<string | number>({ ...rest }),
        actor: withoutNulls({ ...by }),
        detail: withoutNulls(detail),
      };
      return { ...fields, previous, hash };
    });
    return { head, stored, entries };
  }

  /** Oldest first. */
  async #entries(of: { sessionId: SessionId; before?: number }, tx?: Transaction): Promise<StoredEntry[]> {
    const found = await this.#parts.audit.ofSession({ ...of, first: FIRST_EVENT, limit: MAX_ENTRIES }, tx);
    if (found.length === MAX_ENTRIES) throw tooLong();
    return found.reverse();
  }

  /** What the applet signed. @returns null for a session that was erased */
  async #statements(id: SessionId, stored: readonly StoredEntry[]): Promise<EvidenceStatement[] | null> {
    const { sessionKeys } = this.#parts.store;
    const statements: EvidenceStatement[] = [];
    for (const { entry, body } of stored) {
      if (body === null || !entry.event.startsWith('action.')) continue;
      const kind = entry.event === 'action.consent' ? 'consent' : 'report';
      const opened = await ifNotErased(sessionKeys.open(id, bodyLabel(entry.log, entry.seq), body));
      if (opened === null) return null;
      statements.push({ seq: entry.seq, kind, ...Statement.parse(JSON.parse(Buffer.from(opened).toString('utf8'))) });
    }
    return statements;
  }

  /** Null where the session was erased. */
  async #lines(id: SessionId) {
    return ifNotErased(this.#parts.support.chat.list(id));
  }

  async #films(id: SessionId): Promise<{ recordings: EvidenceRecording[]; files: Film[] }> {
    const { support, films } = this.#parts;
    const [recordings, files]: [EvidenceRecording[], Film[]] = [[], []];
    for (const { finished } of await support.recordings.list(id)) {
      if (finished === null) continue;
      const { rcrec, avi, aviManifest } = await films.filesOf(id, finished.name);
      const name = `recording-${recordings.length + 1}`;
      const made: { rcrec?: string; avi?: EvidenceRecording['avi'] } = {};
      if (rcrec !== null) {
        made.rcrec = `${name}.rcrec`;
        const { bytes, sha256 } = finished;
        files.push({ file: { name: made.rcrec, bytes, sha256 }, source: { ...rcrec, name: made.rcrec } });
      }
      const signed = readAviManifest(aviManifest);
      if (avi !== null && signed !== null) {
        made.avi = { name: `${name}.avi`, manifest: signed.manifest };
        files.push({ file: { name: made.avi.name, ...signed.facts }, source: { ...avi, name: made.avi.name } });
      }
      recordings.push({ manifest: finished.manifest, ...made });
    }
    return { recordings, files };
  }

  async #facts(sid: SessionId, isErased: boolean, actor: Actor): Promise<Facts> {
    const { organisation, clock } = this.#parts;
    const made = { organisation, madeAt: clock.now(), madeBy: actor.name ?? actor.kind };
    return { v: 1, type: 'evidence', sid, ...made, session: {}, isErased, keys: await this.#keys() };
  }

  async #factsOf(session: SessionRow): Promise<Pick<Facts, 'session' | 'appletKey'>> {
    const { sessions, groups, channels } = this.#parts.support;
    const { state, endReason, ownerId, ownerName, language, platform, createdAt, pickedUpAt, endedAt } = session;
    const { name: customer, question } = await sessions.customerOf(session);
    const who = { technician: ownerName, technicianId: ownerId, customer, question };
    const group = pathName(await groups.path(session.groupId));
    const channel = await channels.nameOf(session.channelId);
    const times = { createdAt, pickedUpAt, endedAt };
    const known = withoutNulls<string | number>({
      state,
      endReason,
      ...who,
      channel,
      group,
      language,
      platform,
      ...times,
    });
    return { session: known, ...(session.appletKey !== null && { appletKey: session.appletKey }) };
  }

  async #keys(): Promise<EvidenceManifest['keys']> {
    const read = async (purpose: string) => {
      const key = createPublicKey(await readFile(join(this.#parts.publicFolder, `${purpose}.pub`), 'utf8'));
      return toBase64Url(key.export({ type: 'spki', format: 'der' }));
    };
    return { manifest: await read('manifest'), 'log-head': await read('log-head'), receipts: await read('receipts') };
  }
}

function textFile(name: string, content: Uint8Array): Film {
  const [bytes, digest] = [content.length, sha256(content)];
  return { file: { name, bytes, sha256: digest }, source: { name, bytes, content } };
}

/** @returns null for one that names no film: the AVI is then left out, as one nobody vouches for */
function readAviManifest(text: string | null) {
  if (text === null) return null;
  try {
    const manifest = Signed.parse(JSON.parse(text));
    const shape = z.object({ bytes: z.int().min(0), sha256: z.string().length(43) });
    const facts = shape.parse(JSON.parse(Buffer.from(manifest.payload, 'base64url').toString('utf8')));
    return { manifest, facts };
  } catch {
    return null;
  }
}

async function ifNotErased<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ApplianceError && error.code === 'session-key.destroyed') return null;
    throw error;
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url');
}

function tooLong(): ApplianceError {
  return new ApplianceError('limited', 'evidence.too-long', 'that session has more than a bundle holds');
}

function destroyed(): ApplianceError {
  const hint = 'an export of the whole log says where the chain goes on, and holds what is left of the session';
  const what = 'the beginning of that session’s log was destroyed when its time was over';
  return new ApplianceError('unavailable', 'evidence.destroyed', what, { hint });
}
