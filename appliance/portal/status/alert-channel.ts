// One way on which alerts leave the appliance: what is to be sent is read from the store and noted there when it was, so that a restart
// loses nothing; after a failure it waits, each time for twice as long; what is older than a day is not sent any more.
import type { ApplianceConfig } from '../../config.ts';
import { describeError } from '../../errors.ts';
import { type ChannelName, listUnsentAlerts, noteSent, type UnsentAlert } from './alert-store.ts';
import type { AlertParts } from './alerts.ts';
import { sendMail } from './mail.ts';
import { type SendOptions, type SyslogMessage, sendSyslog, syslogLine } from './syslog.ts';
import { spanText } from './words.ts';

const DAY_MS = 86_400_000;
const MAX_SENT_AT_ONCE = 100;
const [RETRY_MS, MAX_RETRY_MS] = [10_000, 5 * 60_000];

type Config = Pick<ApplianceConfig, 'alerts' | 'names'>;

interface Way {
  /** To whom, for people; null when it is not set. */
  target(config: Config): string | null;
  deliver(config: Config, messages: readonly SyslogMessage[], options: SendOptions): Promise<void>;
}

const ways: Record<ChannelName, Way> = {
  syslog: {
    target: ({ alerts: { syslog } }) =>
      syslog && `the syslog server ${syslog.host} (${syslog.protocol === 'tls' ? 'TLS' : 'UDP, in the clear'})`,
    deliver: async ({ alerts: { syslog }, names }, messages, options) => {
      const lines = messages.map(message => syslogLine(message, names[0] ?? '-'));
      if (syslog !== null) await sendSyslog(syslog, lines, options);
    },
  },
  mail: {
    target: ({ alerts: { mail } }) => mail && `${mail.to.join(', ')} by mail`,
    deliver: async ({ alerts: { mail }, names }, messages, options) => {
      if (mail !== null) await sendMail(mail, mailOf(messages, names[0] ?? ''), options);
    },
  },
};

export class AlertChannel {
  readonly name: ChannelName;
  readonly #way: Way;
  readonly #parts: AlertParts;
  readonly #ending: AbortSignal;
  #notBefore = Number.NEGATIVE_INFINITY;
  #retryMs = RETRY_MS;
  #fault = '';

  constructor(name: ChannelName, parts: AlertParts, ending: AbortSignal) {
    this.name = name;
    this.#way = ways[name];
    this.#parts = parts;
    this.#ending = ending;
  }

  /** To whom, for people; null when it is not set. */
  get target(): string | null {
    return this.#way.target(this.#parts.config());
  }

  /** Why the last could not be sent; empty when they could. */
  get fault(): string {
    return this.#fault;
  }

  async send(): Promise<void> {
    const { store, clock, log } = this.#parts;
    if (this.target === null || clock.monotonic() < this.#notBefore) return;
    const rows = await listUnsentAlerts(store.core.read, this.name, clock.now() - DAY_MS, MAX_SENT_AT_ONCE);
    if (rows.length === 0) return;
    try {
      await this.#deliver(rows.flatMap(messagesOf));
      await store.core.transaction(async tx => {
        for (const row of rows) await noteSent(tx, this.name, row, clock.now());
      });
      this.#fault = '';
      this.#retryMs = RETRY_MS;
    } catch (error) {
      this.#fault = describeError(error);
      this.#notBefore = clock.monotonic() + this.#retryMs;
      log.error('alert.unsent', { channel: this.name, why: this.#fault, retryMs: this.#retryMs });
      this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * 2);
    }
  }

  /** @param step told what happened, as far as it went @throws ApplianceError `syslog.failed`, `mail.failed` */
  tryOut(message: SyslogMessage, step: (what: string) => void): Promise<void> {
    return this.#deliver([message], step);
  }

  #deliver(messages: readonly SyslogMessage[], step: (what: string) => void = () => undefined): Promise<void> {
    return this.#way.deliver(this.#parts.config(), messages, { step, signal: this.#ending });
  }
}

/** What is to be sent of it: that it was raised, that it has ended, or both. */
function messagesOf({ text, raisedAt, endedAt, isRaisedSent, isEndedSent }: UnsentAlert): SyslogMessage[] {
  const raised: SyslogMessage = { severity: 'error', at: raisedAt, event: 'alert.raised', text };
  const over = endedAt === null ? [] : [`Over after ${spanText(endedAt - raisedAt)}. ${text}`];
  const ended = over.map(said => ({ severity: 'notice', at: endedAt ?? 0, event: 'alert.ended', text: said }) as const);
  return [...(isRaisedSent ? [] : [raised]), ...(isEndedSent ? [] : ended)];
}

/** All in one mail, in their order. */
function mailOf(messages: readonly SyslogMessage[], host: string) {
  const [first] = messages;
  const more = messages.length > 1 ? ` and ${messages.length - 1} more` : '';
  const lines = messages.map(({ at, text }) => `${new Date(at).toISOString()}  ${oneLine(text)}`);
  return {
    subject: `${host}: ${oneLine(first?.text ?? '').slice(0, 120)}${more}`,
    text: `${lines.join('\n')}\n\nWhat it means and what to do: https://${host}/admin/status\n`,
  };
}

function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ');
}
