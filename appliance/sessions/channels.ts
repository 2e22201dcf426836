// Channels (E-01 E-02 D-08): made and changed by admins, each change in the log with what was before; served by the
// technicians of some groups and of those below them. An admin of a part of the tree has the say over what his groups serve.
import { randomBytes } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { toBase64Url } from '../guid.ts';
import { pathName } from '../permissions/decision.ts';
import { ROOT_GROUP_ID } from '../permissions/group-store.ts';
import type { Editor, Groups } from '../permissions/groups.ts';
import type { Reader, Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { type Channel, type ChannelSettings, parseChannel } from './channel.ts';
import {
  countQueued,
  deleteChannel,
  findByLink,
  findChannel,
  insertChannel,
  isServed,
  listChannels,
  listServed,
  listServers,
  placeChannels,
  updateChannel,
  updateLink,
} from './channel-store.ts';

const MAX_CHANNELS = 200;
/** Of names in an entry of the log. */
const MAX_LOGGED = 2000;
const LINK = /^[A-Za-z0-9_-]{22}$/;

/** What an editor may do with a channel; each holds what the one before it does. */
export type ChannelReach = 'look' | 'own-groups' | 'settings';

export interface ChannelsOptions {
  readonly store: Store;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly groups: Groups;
  readonly clock: Clock;
}

export class Channels {
  readonly #store: Store;
  readonly #audit: Pick<AuditLog, 'append'>;
  readonly #groups: Groups;
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();

  constructor({ store, audit, groups, clock }: ChannelsOptions) {
    this.#store = store;
    this.#audit = audit;
    this.#groups = groups;
    this.#clock = clock;
  }

  /** In their order. */
  async list(): Promise<Channel[]> {
    return (await listChannels(this.#store.core.read)).filter(({ deletedAt }) => deletedAt === null);
  }

  /** For the log: those that are deleted as well. */
  listEver(): Promise<Channel[]> {
    return listChannels(this.#store.core.read);
  }

  /** @throws ApplianceError `channel.missing` */
  async get(id: string, from: Reader = this.#store.core.read): Promise<Channel> {
    const channel = await findChannel(from, id);
    if (channel === undefined || channel.deletedAt !== null) throw missing();
    return channel;
  }

  /** Of one that may be deleted; null for a session that came by none. */
  async nameOf(id: string | null): Promise<string | null> {
    if (id === null) return null;
    return (await findChannel(this.#store.core.read, id))?.name ?? null;
  }

  findByLink(link: string): Promise<Channel | undefined> {
    return LINK.test(link) ? findByLink(this.#store.core.read, link) : Promise.resolve(undefined);
  }

  /** How many wait in each. */
  countQueued(): Promise<ReadonlyMap<string, number>> {
    return countQueued(this.#store.core.read);
  }

  /** Channels this technician serves. A channel that is off is served until its queue is empty. */
  async servedBy(memberId: string, from: Reader = this.#store.core.read): Promise<string[]> {
    const path = await this.#groups.pathOf(memberId, from);
    return listServed(
      from,
      path.map(({ id }) => id),
    );
  }

  /** Which of these technicians serve it. */
  serversAmong(id: string, memberIds: readonly string[]): Promise<string[]> {
    return listServers(this.#store.core.read, id, memberIds, ROOT_GROUP_ID);
  }

  /** Whether somebody who serves it is at work: available or busy, not away. */
  isAttended({ id }: Pick<Channel, 'id'>): Promise<boolean> {
    return isServed(this.#store.core.read, id, ROOT_GROUP_ID);
  }

  /** What pages leave out for an editor; each act decides for itself in its own transaction. */
  async reachOf(editor: Editor, channel: Pick<Channel, 'groupIds'>): Promise<ChannelReach> {
    return this.#reach(this.#store.core.read, editor, channel.groupIds);
  }

  /** Called after the change is on the disk: whoever shows queues looks again. */
  onChange(listener: () => void): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async create(editor: Editor, given: ChannelSettings): Promise<Channel> {
    const settings = parseChannel(given);
    const id = toBase64Url(randomBytes(16));
    await this.#groups.change(editor, async tx => {
      await this.#checkGroups(tx, editor, settings.groupIds);
      if (!isMaster(editor) && settings.groupIds.length === 0) throw notYours();
      if ((await listChannels(tx)).filter(({ deletedAt }) => deletedAt === null).length >= MAX_CHANNELS)
        throw new ApplianceError('conflict', 'channel.too-many', `there are at most ${MAX_CHANNELS} channels`);
      const made = { id, link: newLink(), createdAt: this.#clock.now(), ...settings };
      await unique(settings.name, () => insertChannel(tx, made));
      const groups = await this.#groupNames(tx, settings.groupIds);
      const { name, isEnabled, maxWaiting } = settings;
      await this.#log(tx, editor, 'channel.created', id, { name, groups, isEnabled, maxWaiting });
    });
    this.#tell();
    return this.get(id);
  }

  /**
   * Sets all that can be set; one entry in the log for each thing that is another now.
   * @param seen the version the editor looked at. @throws ApplianceError `channel.changed-meanwhile`, `channel.not-yours`, …
   */
  async change(editor: Editor, id: string, given: ChannelSettings, seen: number): Promise<Channel> {
    const settings = parseChannel(given);
    const isChanged = await this.#groups.change(editor, async tx => {
      const before = await this.#seen(tx, id, seen);
      const changes = await this.#changes(tx, before, settings);
      if (changes.length === 0) return false;
      const reach = await this.#reach(tx, editor, before.groupIds);
      if (reach !== 'settings' && (reach === 'look' || changes.some(({ setting }) => setting !== 'groups')))
        throw notYours();
      const moved = [...before.groupIds, ...settings.groupIds].filter(
        one => before.groupIds.includes(one) !== settings.groupIds.includes(one),
      );
      await this.#checkGroups(tx, editor, moved);
      await unique(settings.name, () => updateChannel(tx, id, settings));
      const { name } = before;
      for (const change of changes) await this.#log(tx, editor, 'channel.set', id, { name, ...change });
      return true;
    });
    if (isChanged) this.#tell();
    return this.get(id);
  }

  /** Changes places with its neighbour in the list; for master admins. */
  async move(editor: Editor, id: string, direction: 'up' | 'down'): Promise<void> {
    await this.#groups.change(editor, async tx => {
      if (!isMaster(editor)) throw notYours();
      const { name } = await this.get(id, tx);
      const all = (await listChannels(tx)).filter(({ deletedAt }) => deletedAt === null).map(one => one.id);
      const from = all.indexOf(id);
      const to = from + (direction === 'up' ? -1 : 1);
      const other = all[to];
      if (other === undefined) return;
      all[from] = other;
      all[to] = id;
      await placeChannels(tx, all);
      await this.#log(tx, editor, 'channel.moved', id, { name, from: from + 1, to: to + 1 });
    });
  }

  /** The link before it leads nowhere from now on. */
  async renewLink(editor: Editor, id: string, seen: number): Promise<Channel> {
    await this.#groups.change(editor, async tx => {
      const { name, groupIds } = await this.#seen(tx, id, seen);
      if ((await this.#reach(tx, editor, groupIds)) !== 'settings') throw notYours();
      await updateLink(tx, id, newLink());
      await this.#log(tx, editor, 'channel.link-renewed', id, { name });
    });
    return this.get(id);
  }

  /** @throws ApplianceError `channel.in-use` while customers wait in it */
  async delete(editor: Editor, id: string, seen: number): Promise<void> {
    await this.#groups.change(editor, async tx => {
      const { name, groupIds } = await this.#seen(tx, id, seen);
      if ((await this.#reach(tx, editor, groupIds)) !== 'settings') throw notYours();
      if (((await countQueued(tx)).get(id) ?? 0) > 0)
        throw new ApplianceError('conflict', 'channel.in-use', 'customers are waiting in it', {
          hint: 'Switch it off first: nobody comes any more, and whoever waits is served.',
        });
      await deleteChannel(tx, id, this.#clock.now());
      await this.#log(tx, editor, 'channel.deleted', id, { name, groups: await this.#groupNames(tx, groupIds) });
    });
    this.#tell();
  }

  close(): void {
    this.#listeners.clear();
  }

  async #seen(tx: Transaction, id: string, seen: number): Promise<Channel> {
    const channel = await this.get(id, tx);
    if (channel.version !== seen) throw changedMeanwhile();
    return channel;
  }

  async #changes(tx: Transaction, before: Channel, after: ChannelSettings) {
    const [groups, groupsThen] = [
      await this.#groupNames(tx, before.groupIds),
      await this.#groupNames(tx, after.groupIds),
    ];
    const pairs = {
      name: [before.name, after.name],
      greeting: [before.greeting, after.greeting],
      awayText: [before.awayText, after.awayText],
      isEnabled: [before.isEnabled, after.isEnabled],
      maxWaiting: [before.maxWaiting, after.maxWaiting],
      groups: [groups, groupsThen],
    } as const;
    const isSame = before.groupIds.join() === after.groupIds.join(); // long lists of names are cut in the log
    return Object.entries(pairs)
      .filter(([setting, [from, to]]) => (setting === 'groups' ? !isSame : from !== to))
      .map(([setting, [from, to]]) => ({ setting, from, to }));
  }

  async #reach(from: Reader, editor: Editor, groupIds: readonly string[]): Promise<ChannelReach> {
    if (isMaster(editor)) return 'settings';
    const isMine = await this.#mine(from, editor);
    if (isMine === null) return 'look';
    for (const id of groupIds) if (!(await isMine(id))) return 'own-groups';
    return groupIds.length > 0 ? 'settings' : 'own-groups';
  }

  async #checkGroups(tx: Transaction, editor: Editor, groupIds: readonly string[]): Promise<void> {
    const isMine = await this.#mine(tx, editor);
    for (const id of groupIds) if (isMine === null || !(await isMine(id))) throw notYours();
  }

  /** Whether a group is in the editor's part of the tree; null for who administers nothing. @throws `group.missing` */
  async #mine(from: Reader, { actor, roles }: Editor): Promise<((id: string) => Promise<boolean>) | null> {
    const isAdmin = roles.includes('admin') && actor.id !== null;
    if (roles.includes('master-admin')) return async id => (await this.#groups.path(id, from)).length > 0;
    const parts = isAdmin ? await this.#groups.partsOf(actor.id, from) : [];
    if (parts.length === 0) return null;
    return async id => (await this.#groups.path(id, from)).some(group => parts.includes(group.id));
  }

  async #groupNames(from: Reader, ids: readonly string[]): Promise<string> {
    const names: string[] = [];
    for (const id of ids) names.push(pathName(await this.#groups.path(id, from)));
    return names.toSorted().join('; ').slice(0, MAX_LOGGED);
  }

  async #log(
    tx: Transaction,
    { actor }: Editor,
    event: string,
    subject: string,
    detail: Record<string, string | number | boolean>,
  ): Promise<void> {
    await this.#audit.append(tx, { event, actor, subject, detail });
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function newLink(): string {
  return toBase64Url(randomBytes(16));
}

function isMaster({ roles }: Editor): boolean {
  return roles.includes('master-admin');
}

async function unique(name: string, step: () => Promise<void>): Promise<void> {
  try {
    await step();
  } catch (cause) {
    if (!(cause instanceof ApplianceError && cause.code === 'store.unique')) throw cause;
    throw new ApplianceError('conflict', 'channel.name-taken', `there is a channel ${name} already`, { cause });
  }
}

function missing(): ApplianceError {
  return new ApplianceError('missing', 'channel.missing', 'there is no such channel');
}

function notYours(): ApplianceError {
  return new ApplianceError('refused', 'channel.not-yours', 'that is not in your part of the tree', {
    hint: 'A master admin can change it.',
  });
}

function changedMeanwhile(): ApplianceError {
  return new ApplianceError('conflict', 'channel.changed-meanwhile', 'somebody else has changed it since you looked', {
    hint: 'What it is now is shown; nothing was overwritten. Save again if you still want yours.',
  });
}
