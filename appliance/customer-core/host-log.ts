// The log the applet keeps on the customer's computer (G-07), and the report he gets at the end (K-04). One JSON object a
// line; no chat text, no file content, no secret.
import type { SessionId } from '../guid.ts';

export const HOST_EVENTS = [
  'session-started',
  'technician-connected',
  'technician-left',
  'login-succeeded',
  'login-refused',
  'asked',
  'allowed',
  'refused',
  'control-started',
  'control-ended',
  'action-started',
  'action-ended',
  'file-sent',
  'file-received',
  'reboot',
  'input-paused',
  'paused',
  'resumed',
  'clipboard',
  'recording-started',
  'recording-ended',
  'recording-held',
  'recording-resumed',
  'recording-paused',
  'recording-gone-on',
  'codes-compared',
  'claimed-twice',
  'logged-out',
  'session-ended',
] as const;
export type HostEvent = (typeof HOST_EVENTS)[number];

export interface HostLine {
  /** ms UTC by the appliance's clock. */
  readonly at: number;
  readonly event: HostEvent;
  readonly technician?: string;
  readonly action?: string;
  /** A file's name; its path stays out of it. */
  readonly file?: string;
  readonly bytes?: number;
  readonly sha256?: string;
  readonly detail?: string;
}

/** Where a session keeps its log. */
export interface HostLog {
  /** Where it lies on this computer; null where a browser keeps none. */
  readonly path: string | null;
  readonly lines: readonly HostLine[];
  write(line: HostLine): void;
  report(report: CustomerReport): void;
  close(): void;
}

const MAX_MEMORY_LINES = 20_000;

/** For the entry without download: a page leaves nothing on the computer but the report the customer saves. */
export class MemoryHostLog implements HostLog {
  readonly path = null;
  readonly #lines: HostLine[] = [];

  get lines(): readonly HostLine[] {
    return this.#lines;
  }

  write(line: HostLine): void {
    if (this.#lines.length < MAX_MEMORY_LINES) this.#lines.push(line);
  }

  report(): void {
    this.close(); // it is in the window
  }

  close(): void {
    Object.freeze(this.#lines);
  }
}

const MAX_TEXT = 300;

/** One line with its newline; what a peer has said can't begin another line. */
export function hostLine(sid: SessionId, line: HostLine): string {
  const fields: Record<string, string | number> = { at: new Date(line.at).toISOString(), session: sid };
  for (const [name, value] of Object.entries(line)) {
    if (name === 'at' || value === undefined) continue;
    fields[name] = typeof value === 'string' ? plain(value) : value;
  }
  return `${JSON.stringify(fields)}\n`;
}

export interface SessionFacts {
  readonly sid: SessionId;
  readonly organisation: string;
  /** Fingerprint of the applet's signing key: what signed the receipts. */
  readonly appletKey: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly lines: readonly HostLine[];
  /** The last signed head of the appliance's log, to hold it to. */
  readonly logHead: string;
}

export interface CustomerReport {
  readonly session: SessionId;
  readonly organisation: string;
  readonly appletKey: string;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly technicians: readonly string[];
  /** What was asked, how often it was allowed and how long it ran. */
  readonly rights: readonly {
    readonly action: string;
    readonly allowed: number;
    readonly refused: number;
    readonly seconds: number;
  }[];
  readonly files: readonly {
    readonly file: string;
    readonly direction: 'to you' | 'from you';
    readonly bytes: number;
    readonly sha256: string;
  }[];
  readonly reboots: number;
  readonly warnings: readonly string[];
  readonly logHead: string;
}

/** Who, when, which rights, which files (K-04). */
export function customerReport(facts: SessionFacts): CustomerReport {
  const { lines } = facts;
  const technicians = lines
    .filter(({ event }) => event === 'technician-connected')
    .map(line => plain(line.technician ?? ''));
  return {
    session: facts.sid,
    organisation: facts.organisation,
    appletKey: facts.appletKey,
    startedAt: new Date(facts.startedAt).toISOString(),
    endedAt: new Date(facts.endedAt).toISOString(),
    technicians: [...new Set(technicians)],
    rights: [...new Set(lines.map(line => line.action).filter(action => action !== undefined))].map(action =>
      rightOf(action, lines, facts.endedAt),
    ),
    files: lines.filter(line => line.event === 'file-sent' || line.event === 'file-received').map(fileOf),
    reboots: lines.filter(({ event }) => event === 'reboot').length,
    warnings: lines.filter(({ event }) => event === 'claimed-twice').map(() => 'claimed-twice'),
    logHead: facts.logHead,
  };
}

function rightOf(action: string, lines: readonly HostLine[], endedAt: number): CustomerReport['rights'][number] {
  const own = lines.filter(line => line.action === action);
  const count = (event: HostEvent) => own.filter(line => line.event === event).length;
  let ms = 0;
  let since: number | null = null;
  for (const { event, at } of own) {
    const starts = event === 'action-started' || event === 'control-started';
    const ends = event === 'action-ended' || event === 'control-ended';
    if (starts) since ??= at;
    if (!ends || since === null) continue;
    ms += at - since;
    since = null;
  }
  if (since !== null) ms += endedAt - since; // it ended with the session
  return { action, allowed: count('allowed'), refused: count('refused'), seconds: Math.round(ms / 1000) };
}

function fileOf(line: HostLine): CustomerReport['files'][number] {
  const direction = line.event === 'file-received' ? 'to you' : 'from you';
  return { file: plain(line.file ?? ''), direction, bytes: line.bytes ?? 0, sha256: line.sha256 ?? '' };
}

function plain(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
    .slice(0, MAX_TEXT)
    .toWellFormed();
}
