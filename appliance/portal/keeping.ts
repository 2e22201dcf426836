// What is done without anybody's asking, put together: the post to a CRM, the auditors' share, how long all is kept, what is erased,
// and accounts that follow the directory.
import type { AuditLog } from '../audit/audit.ts';
import { Erasures } from '../audit/erasures.ts';
import { Posts, type PostsParts } from '../audit/posts.ts';
import { Retention } from '../audit/retention.ts';
import type { Cancel, Clock } from '../clock.ts';
import { describeError } from '../errors.ts';
import type { Identity } from '../identity/identity.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { KeptRecordings } from '../recording/kept-recordings.ts';
import { ShareAccounts, type ShareAccountsParts } from '../recording/share-accounts.ts';
import { ShareOpens, type ShareOpensParts } from '../recording/share-opens.ts';
import { EndedSessions } from '../sessions/ended-sessions.ts';
import type { Store } from '../store/store.ts';

export interface KeepingOptions {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly identity: Identity;
  readonly describe: PostsParts['describe'];
  /** Of the recording share. */
  readonly recordingFolder: string;
  /** Null where nothing runs as root: recordings are then served on the pages only. */
  readonly helper: (NonNullable<ShareAccountsParts['helper']> & NonNullable<ShareOpensParts['helper']>) | null;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Whether the directory's sync is due. */
const SYNC_LOOK_MS = 60_000;

export class Keeping {
  readonly posts: Posts;
  readonly share: ShareAccounts;
  readonly opens: ShareOpens;
  readonly retention: Retention;
  readonly erasures: Erasures;
  readonly #options: Pick<KeepingOptions, 'identity' | 'clock' | 'log'>;
  #cancel: Cancel = () => undefined;

  constructor(options: KeepingOptions) {
    this.#options = options;
    const { members } = options.identity;
    const isAuditor = async (memberId: string) => {
      const member = await members.find(memberId);
      return member?.state === 'enabled' && member.roles.includes('auditor');
    };
    this.posts = new Posts(options);
    const recordings = new KeptRecordings(options.recordingFolder);
    const sessions = new EndedSessions(options.store);
    this.retention = new Retention({ ...options, recordings, sessions });
    this.erasures = new Erasures({ ...options, sessions, films: recordings });
    const nameOf = async (memberId: string) => (await members.find(memberId))?.name ?? null;
    this.opens = new ShareOpens({ ...options, nameOf, folder: options.recordingFolder });
    this.share = new ShareAccounts({ ...options, isAuditor, beforeTaken: () => this.opens.follow() });
  }

  /** Before anything is served: what was erased is gone then. */
  async start(): Promise<void> {
    await this.erasures.start();
    this.posts.start();
    this.share.start();
    this.opens.start();
    this.retention.start();
    this.#cancel = this.#options.clock.every(SYNC_LOOK_MS, () => void this.#sync());
  }

  async #sync(): Promise<void> {
    const { identity, log } = this.#options;
    await identity.directory?.syncWhenDue().catch((error: unknown) => {
      log.error('directory.sync-not-noted', { why: describeError(error) }); // the store is away: again in a minute
    });
  }

  async close(): Promise<void> {
    this.#cancel();
    await this.erasures.close();
    await this.retention.close();
    await this.posts.close();
    await this.share.close();
    await this.opens.close();
  }
}
