// Whether the newest part of the log is as it was written: each entry chained to the one before it, and the last signed head on the
// entry it was signed for. The whole log is checked by whoever has an export of it (bin/verify-log.ts). What was found damaged does
// not mend by new entries being written behind it: it stays until a master admin says that he has dealt with it.
import { z } from 'zod';
import type { AuditLog } from '../../audit/audit.ts';
import type { Actor } from '../../audit/entry.ts';
import { hashEntry } from '../../audit/entry.ts';
import type { Clock } from '../../clock.ts';
import { ApplianceError } from '../../errors.ts';
import type { Store } from '../../store/store.ts';

const ENTRIES = 500;
const EVERY_MS = 10 * 60_000;
const SETTING = 'status.log-damage';
/** `text` is empty when none is known; entries before number `from` were dealt with. */
const Damage = z.strictObject({ text: z.string(), at: z.int(), from: z.int() });
type Damage = z.infer<typeof Damage>;
const none: Damage = { text: '', at: 0, from: 0 };

export interface LogCheckParts {
  readonly store: Pick<Store, 'core' | 'settings'>;
  readonly audit: Pick<AuditLog, 'append' | 'search' | 'lastHead'>;
  readonly clock: Clock;
}

export class LogCheck {
  readonly #parts: LogCheckParts;
  #checkedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: LogCheckParts) {
    this.#parts = parts;
  }

  /** Looks now and then. @returns what is wrong, since it was found; empty when nothing is */
  async look(): Promise<string> {
    const { store, audit, clock } = this.#parts;
    const known = await this.#known();
    if (known.text !== '') return known.text;
    if (clock.monotonic() - this.#checkedAt < EVERY_MS) return '';
    const text = await checkLogEnd(audit, known.from);
    this.#checkedAt = clock.monotonic();
    if (text === '') return '';
    await store.core.transaction(tx => store.settings.set(tx, SETTING, { ...known, text, at: clock.now() }));
    return text;
  }

  /** Whether damage was found that nobody has dealt with. */
  async isDamaged(): Promise<boolean> {
    return (await this.#known()).text !== '';
  }

  /** @throws ApplianceError `status.no-damage` */
  async dealtWith(actor: Actor): Promise<void> {
    const { store, audit, clock } = this.#parts;
    const { text } = await this.#known();
    if (text === '') throw new ApplianceError('conflict', 'status.no-damage', 'the log is not known to be damaged');
    const [newest] = await audit.search({ limit: 1 });
    await store.core.transaction(async tx => {
      await store.settings.set(tx, SETTING, { text: '', at: clock.now(), from: newest?.entry.seq ?? 0 });
      await audit.append(tx, { event: 'audit.damage-dealt-with', actor, detail: { damage: text } });
    });
    this.#checkedAt = Number.NEGATIVE_INFINITY;
  }

  async #known(): Promise<Damage> {
    return (await this.#parts.store.settings.get(SETTING, Damage)) ?? none;
  }
}

/** @param from number of the first entry that others are held against @returns what is wrong; empty when nothing is */
export async function checkLogEnd(audit: Pick<AuditLog, 'search' | 'lastHead'>, from = 0): Promise<string> {
  const head = await audit.lastHead(); // first: what is signed later is signed behind what is read here
  const newestFirst = (await audit.search({ after: from - 1, limit: ENTRIES })).map(({ entry }) => entry);
  for (const [n, { hash, ...entry }] of newestFirst.entries()) {
    const before = newestFirst[n + 1];
    if (before === undefined) break;
    if (before.seq !== entry.seq - 1) return `entries are missing before number ${entry.seq}`;
    if (hashEntry(entry, before.hash) !== hash) return `entry ${entry.seq} was changed, or the one before it`;
  }
  const newest = newestFirst[0]?.seq ?? 0;
  if (head === undefined) return '';
  if (head.seq > newest) return `entries behind number ${newest} are missing: number ${head.seq} was signed`;
  const signed = newestFirst.find(({ seq }) => seq === head.seq);
  return signed !== undefined && signed.hash !== head.hash ? `entry ${head.seq} is not the one that was signed` : '';
}
