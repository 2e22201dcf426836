// Support, put together: the sessions, what leads into them and what may be done in them. It also keeps what identity says
// and what sessions allow of one mind: a login that ends takes its links with it, at once (TRUST: leases).
import type { AuditLog } from '../audit/audit.ts';
import { applianceActor } from '../audit/entry.ts';
import type { Cancel, Clock } from '../clock.ts';
import type { ApplianceConfig } from '../config.ts';
import { describeError } from '../errors.ts';
import type { Identity } from '../identity/identity.ts';
import type { Log } from '../log.ts';
import type { Gauge, Metrics } from '../metrics.ts';
import type { Groups } from '../permissions/groups.ts';
import { ActionLog } from '../sessions/action-log.ts';
import { ChannelEntries } from '../sessions/channel-entries.ts';
import { Channels } from '../sessions/channels.ts';
import { Chat } from '../sessions/chat.ts';
import { Codes } from '../sessions/codes.ts';
import { Entries } from '../sessions/entries.ts';
import { LegTokens } from '../sessions/leg-tokens.ts';
import { type ManifestSigner, SessionRecordings } from '../sessions/recordings.ts';
import { RelayPairs } from '../sessions/relay-pairs.ts';
import { Replies } from '../sessions/replies.ts';
import { Rights, type SessionSigner } from '../sessions/rights.ts';
import { Sessions, type SessionsOptions } from '../sessions/sessions.ts';
import { TechnicianStatuses } from '../sessions/technician-status.ts';
import { UnrecordedControl } from '../sessions/unrecorded-control.ts';
import type { Store } from '../store/store.ts';

const COUNT_EVERY_MS = 10_000;

export interface SupportOptions {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly identity: Identity;
  readonly signer: SessionSigner & ManifestSigner;
  readonly config: ApplianceConfig['session'];
  /** 32 bytes, `keys/pin.key`. */
  readonly pinKey: Uint8Array;
  /** Called in the transaction that ends a session a customer was in. */
  readonly onOver?: SessionsOptions['onOver'];
  /** Whether the recorder answers. */
  readonly isRecorderThere?: () => Promise<boolean>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export class Support {
  readonly groups: Groups;
  readonly sessions: Sessions;
  readonly entries: Entries;
  readonly channels: Channels;
  readonly channelEntries: ChannelEntries;
  readonly legTokens: LegTokens;
  readonly relayPairs: RelayPairs;
  readonly chat: Chat;
  readonly actions: ActionLog;
  readonly rights: Rights;
  readonly recordings: SessionRecordings;
  readonly unrecorded: UnrecordedControl;
  readonly codes: Codes;
  readonly statuses: TechnicianStatuses;
  readonly replies: Replies;
  readonly #options: SupportOptions;
  readonly #states: Gauge;
  readonly #pins: Gauge;
  #working: Promise<unknown> = Promise.resolve();
  #cancels: readonly Cancel[] = [];

  constructor(options: SupportOptions) {
    this.#options = options;
    const { metrics } = options;
    this.groups = options.identity.groups;
    this.sessions = new Sessions(options);
    const shared = { ...options, sessions: this.sessions, groups: this.groups };
    this.entries = new Entries(shared);
    this.channels = new Channels(shared);
    this.channelEntries = new ChannelEntries({ ...shared, channels: this.channels, entries: this.entries });
    this.relayPairs = new RelayPairs(options);
    this.legTokens = new LegTokens({ ...shared, pairs: this.relayPairs });
    this.chat = new Chat(shared);
    this.actions = new ActionLog({ ...shared, chat: this.chat });
    this.rights = new Rights({ ...shared, authority: (memberId, loginId) => this.mayAct(memberId, loginId) });
    this.recordings = new SessionRecordings(shared);
    this.unrecorded = new UnrecordedControl({
      ...{ ...shared, rights: this.rights, recordings: this.recordings, relays: this.relayPairs },
      isRecorderThere: options.isRecorderThere ?? (async () => false),
    });
    this.codes = new Codes(shared);
    this.statuses = new TechnicianStatuses(options);
    this.replies = new Replies(options);
    this.#pins = metrics.gauge('session_pins_live', 'PINs that are out, unused and in time.');
    this.#states = metrics.gauge('support_sessions', 'Support sessions that are not over, by state.');
  }

  /** Ends by the clock what has waited too long, and follows the end of logins, from now on. */
  start(): void {
    const { identity, clock } = this.#options;
    this.sessions.start();
    this.actions.start();
    this.unrecorded.start();
    this.#cancels = [
      identity.logins.onEnded((loginId, memberId, reason) => this.#soon(() => this.#endOf(loginId, memberId, reason))),
      this.groups.onChange(() => this.#soon(() => identity.allowLists.recheck())),
      clock.every(COUNT_EVERY_MS, () => this.#soon(() => this.#count())),
    ];
    this.#soon(() => this.#count());
  }

  /**
   * Whether he is an enabled technician who is signed in.
   * @param loginId the login that must be alive; null for any
   */
  async mayAct(memberId: string, loginId: string | null): Promise<boolean> {
    const { members, logins } = this.#options.identity;
    const member = memberId === '' ? undefined : await members.find(memberId);
    if (member?.state !== 'enabled' || !member.roles.includes('technician')) return false;
    const alive = await logins.list(memberId);
    return alive.some(({ id, stage }) => stage === 'full' && (loginId === null || id === loginId));
  }

  async close(): Promise<void> {
    for (const cancel of this.#cancels) cancel();
    await this.#working;
    this.rights.close();
    this.codes.close();
    this.statuses.close();
    this.channels.close();
    await this.unrecorded.close();
    await this.actions.close();
    await this.sessions.close();
  }

  async #endOf(loginId: string, memberId: string, reason: string): Promise<void> {
    if (await this.mayAct(memberId, null)) {
      await this.rights.revokeLogin(memberId, loginId, reason);
      return;
    }
    await this.rights.revokeMember(memberId, reason);
    await this.statuses.leave(memberId, applianceActor);
  }

  async #count(): Promise<void> {
    for (const [state, sessions] of await this.sessions.count()) this.#states.set(sessions, { state });
    this.#pins.set(await this.entries.countLive());
  }

  // One after the other, so that `close` can wait for all of it.
  #soon(work: () => Promise<void>): void {
    this.#working = this.#working.then(work).catch(error => {
      this.#options.log.error('support.failed', { why: describeError(error) });
    });
  }
}
