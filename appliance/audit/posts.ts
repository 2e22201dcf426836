// The queue of posts to a CRM (G-06). A post is queued in the transaction that ends its session, and tried until it is taken or
// three days are over; what is posted is read when it is sent. A kill between the answer and the row posts it twice, under one id.
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { type SessionId, sessionIdFrom, toBase64Url } from '../guid.ts';
import type { Log } from '../log.ts';
import type { Counter, Metrics } from '../metrics.ts';
import { requireSeen } from '../store/seen.ts';
import type { Reader, Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import type { AuditLog } from './audit.ts';
import { type Actor, applianceActor } from './entry.ts';
import { checkPostSettings, noPosts, PostSettings } from './post-settings.ts';
import {
  changePost,
  deleteOldPosts,
  type FailingPosts,
  findFailing,
  findPost,
  insertPost,
  listDuePosts,
  listPosts,
  type PostRow,
} from './posting/post-store.ts';
import { type SendOptions, sendPost } from './posting/send.ts';
import { type Written, writeDetails } from './posting/write.ts';
import type { DescribeSession } from './session-details.ts';

export type { PostRow } from './posting/post-store.ts';

const WEEK_MS = 7 * 86_400_000;
const SETTING = 'crm-post';
const REVISION = 'crm-post.revision';
const Revision = z.int();
const LOOK_EVERY_MS = 2000;
const MAX_AT_ONCE = 50;
const FIRST_RETRY_MS = 30_000;
const LAST_RETRY_MS = 6 * 3_600_000;
export const PATIENCE_MS = 3 * 86_400_000;
/** So long a finished one is shown. */
const SHOWN_MS = 30 * 86_400_000;
const MAX_SHOWN = 200;

export interface PostsParts {
  readonly store: Store;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly describe: DescribeSession;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly sending?: SendOptions;
}

export class Posts {
  readonly #parts: PostsParts;
  readonly #outcomes: Counter;
  #working: Promise<void> | null = null;
  #cancel: Cancel | null = null;

  constructor(parts: PostsParts) {
    this.#parts = parts;
    this.#outcomes = parts.metrics.counter('session_posts_total', 'Posts to the CRM, by what became of each try.');
  }

  start(): void {
    this.#cancel = this.#parts.clock.every(LOOK_EVERY_MS, () => void this.work());
  }

  async close(): Promise<void> {
    this.#cancel?.();
    await this.#working;
  }

  /** That somebody looks at where sessions are posted to, and at what waits. */
  async viewed(actor: Actor): Promise<void> {
    const { store, audit } = this.#parts;
    await store.core.transaction(tx => audit.append(tx, { event: 'posts.viewed', actor }));
  }

  async settings(): Promise<PostSettings> {
    return (await this.#parts.store.settings.get(SETTING, PostSettings)) ?? noPosts;
  }

  /** Counts their changes: nothing of the secret stands in it. */
  async revision(from?: Reader): Promise<number> {
    const { settings, core } = this.#parts.store;
    return (await settings.get(REVISION, Revision, from ?? core.read)) ?? 0;
  }

  /**
   * @param seen the revision that was looked at
   * @throws ApplianceError `post.url`, `post.secret`, `post.allowed`, `post.authorities`, `changed-meanwhile`
   */
  async setSettings(actor: Actor, settings: PostSettings, seen?: string): Promise<void> {
    checkPostSettings(settings);
    const { store, audit } = this.#parts;
    await store.core.transaction(async tx => {
      const revision = await this.revision(tx);
      requireSeen(revision, seen);
      const before = (await store.settings.get(SETTING, PostSettings, tx)) ?? noPosts;
      await store.settings.set(tx, SETTING, settings);
      await store.settings.set(tx, REVISION, revision + 1);
      const detail = {
        before: summary(before),
        after: summary(settings),
        isSecretNew: before.secret !== settings.secret,
      };
      await audit.append(tx, { event: 'post.settings-changed', actor, detail });
    });
  }

  /** In the transaction that ends the session. */
  async queue(tx: Transaction, sessionId: SessionId): Promise<void> {
    const { store, clock } = this.#parts;
    const settings = await store.settings.get(SETTING, PostSettings, tx);
    if (settings?.isOn !== true) return;
    const now = clock.now();
    await insertPost(tx, { id: toBase64Url(randomBytes(16)), sessionId, madeAt: now, giveUpAt: now + PATIENCE_MS });
  }

  /** What could not be posted, and what was given up in the last week. */
  failing(): Promise<FailingPosts> {
    const { store, clock } = this.#parts;
    return findFailing(store.core.read, clock.now() - WEEK_MS);
  }

  /** Newest first. */
  list(): Promise<PostRow[]> {
    return listPosts(this.#parts.store.core.read, MAX_SHOWN);
  }

  /** Queued anew, for three days more. @throws ApplianceError `post.missing` */
  async again(actor: Actor, id: string): Promise<void> {
    const { store, audit, clock } = this.#parts;
    await store.core.transaction(async tx => {
      const post = await findPost(tx, id);
      if (post === undefined) throw new ApplianceError('missing', 'post.missing', 'there is no such post');
      const now = clock.now();
      await changePost(tx, post, { ...post, state: 'waiting', nextAt: now, giveUpAt: now + PATIENCE_MS, doneAt: null });
      await audit.append(tx, { event: 'post.queued-again', actor, sessionId: post.sessionId, subject: id });
    });
  }

  /** A made-up session, now. @throws ApplianceError `post.…` when the CRM did not take it */
  async tryOut(actor: Actor): Promise<void> {
    const { store, audit, clock, sending } = this.#parts;
    const settings = await this.settings();
    checkPostSettings({ ...settings, isOn: true });
    const id = toBase64Url(randomBytes(16));
    let code = '';
    try {
      await sendPost(settings, { id, ...trial(settings, clock.now()), at: clock.now() }, sending);
    } catch (error) {
      code = codeOf(error);
      throw error;
    } finally {
      const detail = code === '' ? {} : { code };
      await store.core.transaction(tx => audit.append(tx, { event: 'post.tried-out', actor, detail }));
    }
  }

  /** Tries what is due, one after the other. */
  work(): Promise<void> {
    this.#working ??= this.#work().finally(() => {
      this.#working = null;
    });
    return this.#working;
  }

  async #work(): Promise<void> {
    const { store, clock, log } = this.#parts;
    try {
      const settings = await this.settings();
      if (!settings.isOn) return;
      const due = await listDuePosts(store.core.read, clock.now(), MAX_AT_ONCE);
      for (const post of due) await this.#deliver(post, settings);
      if (due.length > 0) await store.core.transaction(tx => deleteOldPosts(tx, clock.now() - SHOWN_MS));
    } catch (error) {
      log.error('post.work-failed', { why: describeError(error) }); // the rows stay, and are looked at again
    }
  }

  async #deliver(post: PostRow, settings: PostSettings): Promise<void> {
    const { clock, log, sending } = this.#parts;
    try {
      const written = await this.#write(post, settings);
      if (written === null) return; // erased meanwhile, and its post with it
      await sendPost(settings, { id: post.id, ...written, at: clock.now() }, sending);
      await this.#settle(post, { state: 'sent', error: null });
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      const isOver = clock.now() >= post.giveUpAt;
      log.warn('post.not-taken', {
        id: post.id,
        sessionId: post.sessionId,
        code: error.code,
        tries: post.tries + 1,
        isOver,
      });
      await this.#settle(post, { state: isOver ? 'given-up' : 'waiting', error });
    }
  }

  /** One that can't be written waits by itself, and holds up no other. @throws ApplianceError `post.not-made` */
  async #write({ id, sessionId }: PostRow, { withChat, format }: PostSettings): Promise<Written | null> {
    try {
      const details = await this.#parts.describe(sessionId, withChat);
      return details && writeDetails(details, format);
    } catch (cause) {
      this.#parts.log.error('post.not-made', { id, sessionId, why: describeError(cause) });
      throw new ApplianceError('defect', 'post.not-made', 'its details could not be put together', { cause });
    }
  }

  async #settle(
    post: PostRow,
    { state, error }: { state: PostRow['state']; error: ApplianceError | null },
  ): Promise<void> {
    const { store, audit, clock } = this.#parts;
    const now = clock.now();
    this.#outcomes.add({ outcome: error?.code ?? 'sent' });
    const waitMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(post.tries, 20));
    await store.core.transaction(async tx => {
      const to = {
        ...{ state, tries: post.tries + 1, lastError: error && `${error.message} (${error.code})`.slice(0, 500) },
        ...{ giveUpAt: post.giveUpAt, doneAt: state === 'waiting' ? null : now },
        nextAt: Math.max(now, Math.min(now + waitMs, post.giveUpAt)), // once more when its time is over
      };
      const isGone = (await findPost(tx, post.id)) === undefined; // erased while it was on its way: the CRM has it all the same
      if (!(await changePost(tx, post, to)) && !(isGone && state === 'sent')) return;
      if (state === 'waiting') return;
      const detail = { tries: to.tries, ...(error === null ? {} : { code: error.code }) };
      const event = `post.${state}`;
      await audit.append(tx, { event, actor: applianceActor, sessionId: post.sessionId, subject: post.id, detail });
    });
  }
}

function trial({ format, withChat }: PostSettings, now: number): Written {
  const id = sessionIdFrom(new Uint8Array(16));
  const who = {
    technicianId: '',
    technician: 'Test',
    group: 'Test',
    channel: null,
    customer: 'Test',
    question: null,
    language: 'en',
    platform: 'linux',
  };
  const times = { createdAt: now, pickedUpAt: now, endedAt: now };
  const chat = withChat ? [{ at: now, author: 'technician', text: 'This is a test.' }] : null;
  return writeDetails({ id, state: 'closed', reason: 'test', ...who, ...times, events: [], chat }, format);
}

/** For the log: without the secret. */
function summary({ isOn, url, format, withChat, allowed }: PostSettings): string {
  return JSON.stringify({ isOn, url, format, withChat, allowed });
}

function codeOf(error: unknown): string {
  return error instanceof ApplianceError ? error.code : 'appliance.defect';
}
