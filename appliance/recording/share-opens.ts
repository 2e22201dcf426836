// What auditors open on the recording share stands in the chained log (H-04 G-02), as it does when they use the pages. Entries and
// how far the share's own log was read are one transaction: nothing is told twice, or lost, whoever is restarted.
import { join } from 'node:path';
import type { AuditLog } from '../audit/audit.ts';
import type { Actor, AuditEvent } from '../audit/entry.ts';
import type { Cancel, Clock } from '../clock.ts';
import { describeError } from '../errors.ts';
import { parseSessionId } from '../guid.ts';
import type { Log } from '../log.ts';
import type { Store } from '../store/store.ts';
import { findAccountNamed } from './share-account-store.ts';
import type { ShareHelperClient } from './share-helper-client.ts';
import { type ShareAct, type ShareLogPart, SharePosition } from './share-log.ts';

const LOOK_EVERY_MS = 5000;
/** What one round takes; the rest comes with the next. */
const MAX_PARTS = 50;
const SETTING = 'share-log';
/** A player and an Explorer open a file again and again: within this it is one look, as on the pages. */
const ONE_LOOK_MS = 60 * 60_000;
/** Wrong passwords of one address: told as often. */
const ONE_TRY_MS = 60_000;
const MAX_REMEMBERED = 10_000;
/** Of a file's content, or more than was said: FILE_READ_DATA, _EXECUTE, MAXIMUM_ALLOWED, GENERIC_ALL, _EXECUTE, _READ (MS-SMB2 2.2.13.1.1). */
const READS = 0xb2_00_00_21;
/** FILE_WRITE_DATA, _APPEND, _WRITE_EA, _DELETE_CHILD, _WRITE_ATTRIBUTES, DELETE, WRITE_DAC, _OWNER, GENERIC_WRITE. */
const WRITES = 0x40_0d_01_56;
/** What of a refusal is no refusal: Explorer looks for files that nobody has. */
const NOT_THERE = 'No such file or directory';
/** A client names what he likes: what is no session's number is a part of a name. */
const FILE = /^\d{4}\/\d{2}\/\d{2}\/\d{6}-([A-Za-z0-9_-]{21}[AQgw])-[A-Za-z0-9_-]{22}\./;

export interface ShareOpensParts {
  readonly store: Pick<Store, 'core' | 'settings'>;
  readonly audit: Pick<AuditLog, 'append'>;
  /** Null where nothing runs as root: then there is no share. */
  readonly helper: Pick<ShareHelperClient, 'readLog'> | null;
  /** Of a member; null when he is there no more. */
  readonly nameOf: (memberId: string) => Promise<string | null>;
  /** Of recordings. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
}

export class ShareOpens {
  readonly #parts: ShareOpensParts;
  readonly #finished: string;
  /** Looks and tries: until when another is the same. */
  readonly #told = new Map<string, number>();
  #working: Promise<void> = Promise.resolve();
  #cancel: Cancel | null = null;
  #fault = '';

  constructor(parts: ShareOpensParts) {
    this.#parts = parts;
    this.#finished = `${join(parts.folder, 'finished')}/`;
  }

  /** Why the share's log could not be read the last time; empty when it was. */
  get fault(): string {
    return this.#fault;
  }

  start(): void {
    if (this.#parts.helper !== null) this.#cancel = this.#parts.clock.every(LOOK_EVERY_MS, () => void this.follow());
  }

  async close(): Promise<void> {
    this.#cancel?.();
    await this.#working;
  }

  /** Takes over what the share has written since; what can't be read now is read later. */
  follow(): Promise<void> {
    this.#working = this.#working.then(async () => {
      try {
        await this.#follow();
        this.#fault = '';
      } catch (error) {
        const fault = describeError(error);
        if (fault !== this.#fault) this.#parts.log.error('share.log-unread', { why: fault });
        this.#fault = fault;
      }
    });
    return this.#working;
  }

  async #follow(): Promise<void> {
    const { helper, store } = this.#parts;
    if (helper === null) return;
    for (let n = 0; n < MAX_PARTS; n++) {
      const position = (await store.settings.get(SETTING, SharePosition)) ?? {};
      const part = await helper.readLog(position);
      if (JSON.stringify(part.position) !== JSON.stringify(position)) await this.#take(part);
      if (!part.isMore) return;
    }
  }

  async #take({ acts, position, hasGap, unreadable }: ShareLogPart): Promise<void> {
    const { store, audit, log } = this.#parts;
    if (unreadable > 0) log.error('share.log-unreadable', { lines: unreadable });
    const told = new Map<string, number>();
    const events: AuditEvent[] = [];
    if (hasGap || unreadable > 0)
      events.push({ event: 'share.log-gap', actor: nobody(''), detail: { isMissing: hasGap, unreadable } });
    for (const act of acts) events.push(...(await this.#eventsOf(act, told)));
    await store.core.transaction(async tx => {
      for (const event of events) await audit.append(tx, event);
      await store.settings.set(tx, SETTING, position);
    });
    for (const [key, until] of told) this.#told.set(key, until); // not before they are in the log
    for (const [key, until] of this.#told)
      if (until <= this.#parts.clock.now() || this.#told.size > MAX_REMEMBERED) this.#told.delete(key);
  }

  async #eventsOf(act: ShareAct, told: Map<string, number>): Promise<AuditEvent[]> {
    const { event, detail, path } = describe(act);
    if (event === null) return [];
    const key = `${event} ${act.kind === 'sign-in' ? '' : act.name} ${act.address} ${path}`;
    if (Math.max(told.get(key) ?? 0, this.#told.get(key) ?? 0) > act.at) return [];
    told.set(key, act.at + (act.kind === 'sign-in' ? ONE_TRY_MS : ONE_LOOK_MS));
    const file = path.startsWith(this.#finished) ? path.slice(this.#finished.length) : path;
    const session = FILE.exec(file)?.[1];
    const all = { ...detail, ...(file !== '' && { file }), account: act.name, seenAt: act.at };
    const actor = await this.#actorOf(act);
    return [{ event, actor, detail: all, ...(session !== undefined && { sessionId: parseSessionId(session) }) }];
  }

  async #actorOf({ name, address, kind }: ShareAct): Promise<Actor> {
    // A name that failed to sign in is anybody's word.
    const account = kind === 'sign-in' ? undefined : await findAccountNamed(this.#parts.store.core.read, name);
    if (account === undefined) return nobody(address);
    const { memberId: id } = account;
    return { kind: 'member', id, name: await this.#parts.nameOf(id), address: address || null };
  }
}

function nobody(address: string): Actor {
  return { kind: 'anyone', id: null, name: null, address: address || null };
}

/** What becomes of an act; null for what nobody needs to know: folders that were listed, names that were looked for. */
function describe(act: ShareAct): { event: string | null; detail: AuditEvent['detail']; path: string } {
  if (act.kind === 'sign-in') return { event: 'share.sign-in-refused', detail: { why: act.why }, path: '' };
  if (act.kind === 'refused')
    return { event: 'share.refused', detail: { what: act.what, why: act.why }, path: act.path };
  const { access, way, why, isFolder, path } = act;
  const changes = (access & WRITES) !== 0 || way !== 'open';
  if (why === '') return { event: isFolder || (access & READS) === 0 ? null : 'share.opened', detail: {}, path };
  if (!changes && why === NOT_THERE) return { event: null, detail: {}, path };
  return { event: 'share.refused', detail: { what: changes ? 'change' : 'read', why }, path };
}
