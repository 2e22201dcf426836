// Rows of recordings, and of what applets have said of them.
import { parseSessionId, type SessionId } from '../guid.ts';
import type { FinishedRecording, SignedManifest } from '../protocol/recorder-portal.ts';
import type { Reader, Transaction } from '../store/sql.ts';

export interface RecordingRow {
  readonly nonce: string;
  readonly sessionId: SessionId;
  readonly linkId: string;
  readonly isLive: boolean;
  /** Null while it is not finished. */
  readonly finished:
    | (Omit<FinishedRecording, 'attested'> & { readonly at: number; readonly manifest: SignedManifest })
    | null;
}

export interface AttestationRow {
  readonly nonce: string;
  readonly sessionId: SessionId;
  readonly linkId: string;
  readonly bytes: number;
  /** base64url of the SHA-256 of so many bytes. */
  readonly digest: string;
  readonly at: number;
  readonly payload: Uint8Array;
  /** base64url. */
  readonly signature: string;
}

/** @returns whether it is new */
export async function insertLive(
  tx: Transaction,
  { nonce, sessionId, linkId, now }: { nonce: string; sessionId: SessionId; linkId: string; now: number },
): Promise<boolean> {
  const sql = `INSERT INTO recording (nonce, session_id, link_id, is_live, live_at) VALUES (?, ?, ?, 1, ?)
               ON CONFLICT (nonce) DO NOTHING`;
  return (await tx.run(sql, [nonce, sessionId, linkId, now])).changes === 1;
}

/** @returns false where it was so already, or there is none of this session */
export async function setLive(
  tx: Transaction,
  { nonce, sessionId, isLive }: { nonce: string; sessionId: SessionId; isLive: boolean },
): Promise<boolean> {
  const sql = 'UPDATE recording SET is_live = ? WHERE nonce = ? AND session_id = ? AND is_live <> ?';
  return (await tx.run(sql, [isLive ? 1 : 0, nonce, sessionId, isLive ? 1 : 0])).changes === 1;
}

export async function finishRecording(
  tx: Transaction,
  finished: FinishedRecording,
  manifest: SignedManifest,
  now: number,
): Promise<void> {
  const { nonce, sub, technician, forced, startedAt, durationMs, name, bytes, sha256, offset, isWhole, receipt } =
    finished;
  const { isPaused, after, pausedMs } = finished;
  await tx.run(
    `UPDATE recording SET is_live = 0, member_id = ?, technician = ?, forced = ?, started_at = ?, duration_ms = ?,
            name = ?, bytes = ?, sha256 = ?, stream_bytes = ?, is_whole = ?, receipt_payload = ?,
            receipt_signature = ?, manifest = ?, manifest_kid = ?, manifest_signature = ?, finished_at = ?,
            is_paused = ?, after_nonce = ?, paused_ms = ?
      WHERE nonce = ?`,
    [
      ...[sub, technician, forced ? 1 : 0, startedAt, durationMs],
      ...[name, bytes, sha256, offset, isWhole ? 1 : 0, receipt?.payload ?? null],
      ...[receipt?.signature ?? null, manifest.payload, manifest.kid, manifest.signature, now],
      ...[isPaused ? 1 : 0, after, pausedMs, nonce],
    ],
  );
}

export async function findRecording(from: Reader, nonce: string): Promise<RecordingRow | undefined> {
  const row = await from.get('SELECT * FROM recording WHERE nonce = ?', [nonce]);
  return row === undefined ? undefined : recordingOf(row);
}

export async function listRecordings(from: Reader, sessionId: SessionId): Promise<RecordingRow[]> {
  const rows = await from.all('SELECT * FROM recording WHERE session_id = ? ORDER BY live_at', [sessionId]);
  return rows.map(recordingOf);
}

/** Nonces of what is being recorded of it. */
export async function listLiveOf(from: Reader, sessionId: SessionId): Promise<string[]> {
  const rows = await from.all('SELECT nonce FROM recording WHERE session_id = ? AND is_live = 1', [sessionId]);
  return rows.map(({ nonce }) => String(nonce));
}

/** Whether there is one of the session that began under this link. */
export async function isBegunOn(from: Reader, sessionId: SessionId, linkId: string | null): Promise<boolean> {
  const row = await from.get('SELECT 1 FROM recording WHERE session_id = ? AND link_id = ?', [sessionId, linkId]);
  return row !== undefined;
}

/** The furthest stays. @returns whether this one is it */
export async function keepAttestation(tx: Transaction, attested: AttestationRow): Promise<boolean> {
  const { nonce, sessionId, linkId, bytes, digest, at, payload, signature } = attested;
  const sql = `INSERT INTO recording_attestation (nonce, session_id, link_id, bytes, digest, attested_at, payload, signature)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?)
               ON CONFLICT (nonce) DO UPDATE SET bytes = excluded.bytes, digest = excluded.digest,
                 attested_at = excluded.attested_at, payload = excluded.payload, signature = excluded.signature
               WHERE excluded.bytes > bytes AND session_id = excluded.session_id AND link_id = excluded.link_id`;
  return (await tx.run(sql, [nonce, sessionId, linkId, bytes, digest, at, payload, signature])).changes === 1;
}

export async function findAttestation(from: Reader, nonce: string): Promise<AttestationRow | undefined> {
  const row = await from.get('SELECT * FROM recording_attestation WHERE nonce = ?', [nonce]);
  if (row === undefined) return undefined;
  return {
    ...{ nonce, sessionId: parseSessionId(row.session_id), linkId: String(row.link_id), bytes: Number(row.bytes) },
    ...{ digest: String(row.digest), at: Number(row.attested_at), signature: String(row.signature) },
    payload: row.payload instanceof Uint8Array ? row.payload : new Uint8Array(),
  };
}

type Row = NonNullable<Awaited<ReturnType<Reader['get']>>>;

function recordingOf(row: Row): RecordingRow {
  const [nonce, linkId] = [String(row.nonce), String(row.link_id)];
  const sessionId = parseSessionId(row.session_id);
  return {
    nonce,
    linkId,
    sessionId,
    isLive: row.is_live === 1,
    finished: finishedOf(row, { nonce, linkId, sessionId }),
  };
}

function finishedOf(
  row: Row,
  { nonce, linkId, sessionId: sid }: { nonce: string; linkId: string; sessionId: SessionId },
): RecordingRow['finished'] {
  if (row.finished_at === null) return null;
  const proved = { payload: String(row.receipt_payload), signature: String(row.receipt_signature) };
  return {
    ...{ sid, linkId, nonce, sub: String(row.member_id), technician: String(row.technician), forced: row.forced === 1 },
    ...{ startedAt: Number(row.started_at), durationMs: Number(row.duration_ms), name: String(row.name) },
    ...{ bytes: Number(row.bytes), sha256: String(row.sha256), offset: Number(row.stream_bytes) },
    ...{ isWhole: row.is_whole === 1, receipt: row.receipt_payload === null ? null : proved },
    ...{ isPaused: row.is_paused === 1, after: row.after_nonce === null ? null : String(row.after_nonce) },
    ...{ pausedMs: Number(row.paused_ms ?? 0), at: Number(row.finished_at) },
    manifest: {
      ...{ kid: String(row.manifest_kid), payload: String(row.manifest) },
      signature: String(row.manifest_signature),
    },
  };
}
