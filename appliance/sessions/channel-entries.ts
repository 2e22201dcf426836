// How a customer comes in by a channel (E-01 D-05): he says who he is and what it is about, gets a place in the queue and a
// link of his own, and from there on it is the same way as after an invitation. The channel's link routes, and that is all.
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { type Channel, type CustomerSays, parseCustomer } from './channel.ts';
import { ChannelGuard } from './channel-guard.ts';
import type { Channels } from './channels.ts';
import type { Entries } from './entries.ts';
import { customerActor, type Sessions } from './sessions.ts';

/** What a channel's page can say just now. */
export type ChannelState = 'open' | 'off' | 'nobody' | 'full';

const LATE: Readonly<Record<string, Exclude<ChannelState, 'open'>>> = {
  'channel.full': 'full',
  'channel.off': 'off',
  'channel.missing': 'off',
};

export interface ChannelEntriesOptions {
  readonly channels: Channels;
  readonly sessions: Sessions;
  readonly entries: Entries;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

export class ChannelEntries {
  readonly #options: ChannelEntriesOptions;
  readonly #guard: ChannelGuard;
  readonly #begun;

  constructor(options: ChannelEntriesOptions) {
    this.#options = options;
    this.#guard = new ChannelGuard(options);
    this.#begun = options.metrics.counter(
      'channel_entries_total',
      'Customers who pressed Begin, by what became of it.',
    );
    options.sessions.onChange(({ sessionId, state }) => {
      if (state !== 'connecting' && state !== 'waiting') this.#guard.settled(sessionId);
    });
  }

  /** Uses nothing up. @returns undefined for a link that leads nowhere */
  async look(link: string): Promise<{ readonly channel: Channel; readonly state: ChannelState } | undefined> {
    const { channels } = this.#options;
    const channel = await channels.findByLink(link);
    return channel && { channel, state: await this.#stateOf(channel) };
  }

  /**
   * @returns the code of a link of his own, or why there is no place for him now
   * @throws ApplianceError `channel.customer-name`, `channel.question`, `channel.limited`, `channel.crowded`
   */
  async enter(
    channel: Channel,
    given: CustomerSays,
    { address, language }: { readonly address: string; readonly language: string | null },
  ): Promise<{ readonly code: string } | { readonly state: Exclude<ChannelState, 'open'> }> {
    const said = parseCustomer(given);
    const { sessions, entries } = this.#options;
    const state = await this.#stateOf(channel);
    if (state !== 'open') return this.#refuse(state);
    const admission = this.#admit(channel, address);
    try {
      const actor = { ...customerActor, address };
      const { id } = await sessions.createInChannel(actor, channel, { ...said, language });
      admission.began(id);
      const { code } = await entries.makeLink(id, actor);
      this.#begun.add({ outcome: 'waits' });
      return { code };
    } catch (error) {
      // It has changed since he was looked at.
      const late = error instanceof ApplianceError ? LATE[error.code] : undefined;
      if (late === undefined) throw error;
      return this.#refuse(late);
    } finally {
      admission.failed(); // does nothing once it has begun
    }
  }

  #admit(channel: Channel, address: string) {
    try {
      return this.#guard.admit(channel, address);
    } catch (error) {
      this.#begun.add({ outcome: 'limited' });
      throw error;
    }
  }

  #refuse(state: Exclude<ChannelState, 'open'>) {
    this.#begun.add({ outcome: state });
    return { state };
  }

  async #stateOf(channel: Channel): Promise<ChannelState> {
    const { channels } = this.#options;
    if (!channel.isEnabled) return 'off';
    if (!(await channels.isAttended(channel))) return 'nobody';
    return ((await channels.countQueued()).get(channel.id) ?? 0) >= channel.maxWaiting ? 'full' : 'open';
  }
}
