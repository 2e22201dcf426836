// What the pages of blocks do: what stands in the file, or stood there before it was switched off; saving; trying out what is typed.
import type { AuditLog } from '../audit/audit.ts';
import type { Clock } from '../clock.ts';
import { type ApplianceConfig, type ConfigDifference, type ConfigText, parseConfig } from '../config.ts';
import { ApplianceError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import { blockChanges, fieldsOf, isOn, type SettingsBlock, type TypedBlock } from './settings/blocks.ts';
import { presentValue, valueAt } from './settings/fields.ts';
import type { NewSecret } from './settings/secrets.ts';
import { runSteps, type TrialStep } from './settings/trial.ts';
import { tryDirectory } from './settings/trial-directory.ts';
import { mailSteps } from './settings/trial-mail.ts';
import { trySyslog } from './settings/trial-syslog.ts';
import type { SettingsDesk, SettingsEditor } from './settings-desk.ts';
import { mailPort } from './status/mail.ts';
import { syslogLine } from './status/syslog.ts';
import { type MappingRow, rowsOf } from './web/mapping-rows.ts';

export interface BlockDeskParts {
  readonly settings: SettingsDesk;
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
}

/** A block as it was typed. */
export interface GivenBlock extends TypedBlock {
  /** undefined where the one that is kept stays. */
  readonly password: string | undefined;
}

export interface ShownBlock {
  readonly isOn: boolean;
  readonly values: Readonly<Record<string, string>>;
  readonly rows: readonly MappingRow[];
}

export class BlockDesk {
  readonly #parts: BlockDeskParts;
  #isTrying = false;

  constructor(parts: BlockDeskParts) {
    this.#parts = parts;
  }

  /** Of the file; where it is off, of the last version in which it was on. */
  shown(block: SettingsBlock, config: ApplianceConfig): ShownBlock {
    const earlier = () => this.#parts.settings.earlier().find(one => isOn(one, block));
    const from = isOn(config, block) ? config : earlier();
    const values = fieldsOf(block)
      .filter(({ kind }) => kind !== 'secret' && kind !== 'mapping')
      .map(one => [one.name, from === undefined ? one.initial : presentValue(from, one)]);
    const rows = from === undefined ? [] : rowsOf(valueAt(from, `${block.key}.mapping`));
    return { isOn: isOn(config, block), values: Object.fromEntries(values), rows };
  }

  /** The file's text with what was typed, and the password that belongs to it. @throws ApplianceError `settings.broken` */
  draft(seen: ConfigText, block: SettingsBlock, given: GivenBlock): { text: string; secret: NewSecret | null } {
    const { settings } = this.#parts;
    const field = fieldsOf(block).find(({ kind }) => kind === 'secret');
    const isTyped = given.isOn && field !== undefined && given.password !== undefined;
    const secret = isTyped ? settings.secrets.make(block.page, given.password ?? '') : null;
    const file = secret === null || field === undefined ? {} : { [field.key.replaceAll('.', '-')]: secret.path };
    const typed = { ...given, values: { ...given.values, ...file } };
    return { text: settings.textWith(seen, config => blockChanges(config, block, typed)), secret };
  }

  /** Throws as `SettingsDesk.save`. */
  save(
    editor: SettingsEditor,
    block: SettingsBlock,
    given: GivenBlock,
    seen: string,
  ): Promise<readonly ConfigDifference[]> {
    const { settings } = this.#parts;
    const { text, secret } = this.draft(settings.read(), block, given);
    return settings.save(editor, text, seen, secret);
  }

  /**
   * Tries out what is typed, whether it is on or not; nothing is saved. That it was tried is logged, before.
   * @throws ApplianceError `config.malformed`, `settings.busy`, or as `SettingsDesk.checkTest`
   */
  async tryOut({ actor }: SettingsEditor, block: SettingsBlock, given: GivenBlock): Promise<readonly TrialStep[]> {
    const { settings, store, audit, clock } = this.#parts;
    const { text, secret } = this.draft(settings.read(), block, { ...given, isOn: true });
    const config = parseConfig(text);
    await settings.checkTest(config, block.page, secret);
    if (this.#isTrying) throw new ApplianceError('limited', 'settings.busy', 'another test is on its way; wait for it');
    this.#isTrying = true;
    try {
      const message = `This is a test, sent by ${actor.name ?? 'the appliance'}`;
      const trial = trialOf(block, config, { message, at: clock.now(), password: given.password });
      const detail = { what: block.key, to: trial.to };
      await store.core.transaction(tx => audit.append(tx, { event: 'settings.tested', actor, detail }));
      return await trial.run();
    } finally {
      this.#isTrying = false;
    }
  }
}

interface TrialContext {
  readonly message: string;
  readonly at: number;
  readonly password: string | undefined;
}

interface Trial {
  /** For people. */
  readonly to: string;
  run(): Promise<readonly TrialStep[]>;
}

function trialOf(
  { page }: SettingsBlock,
  { alerts: { mail, syslog }, directory, names }: ApplianceConfig,
  context: TrialContext,
): Trial {
  const { message, at, password } = context;
  const host = names[0] ?? 'localhost';
  if (page === 'mail' && mail !== null) {
    const server = `${mail.host}:${mailPort(mail)}`;
    const test = { subject: `${host}: ${message}`, text: `${message}, from the settings of ${host}.\n` };
    return { to: `${server}, ${mail.to.join(', ')}`, run: () => runSteps(server, mailSteps(mail, test, password)) };
  }
  if (page === 'syslog' && syslog !== null) {
    const server = `${syslog.host} by ${syslog.protocol}`;
    const line = syslogLine({ severity: 'informational', at, event: 'settings.test', text: message }, host);
    return { to: server, run: () => trySyslog(syslog, line, server) };
  }
  if (page === 'directory' && directory !== null) {
    return { to: directory.servers.join(', '), run: () => tryDirectory(directory, password) };
  }
  throw new ApplianceError('conflict', 'settings.no-test', 'there is nothing to test');
}
