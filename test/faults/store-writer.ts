// Run as a process of its own and killed at any moment: commits rows in groups and says each one only once it is told
// that it is durable. argv: folder, store key (hex), first number.
import { AuditLog } from '../../appliance/audit/audit.ts';
import { applianceActor } from '../../appliance/audit/entry.ts';
import { systemClock } from '../../appliance/clock.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { SessionFacts } from '../../appliance/sessions/session-facts.ts';
import { Store } from '../../appliance/store/store.ts';
import { TestHeadSigner } from '../support/audit.ts';
import { MIGRATIONS } from '../support/store.ts';
import { ENTRIES_PER_ACT } from '../support/store-kills.ts';

const [folder = '', keyHex = '', first = '0'] = process.argv.slice(2);
const key = Buffer.from(keyHex, 'hex');
const shared = { clock: systemClock, log: silentLog };
const keys = { store: key, keyEncryption: key };
const store = await Store.open({ folder, keys, migrations: MIGRATIONS, metrics: new Metrics(), ...shared });
const config = { headEveryEntries: 50, headEverySeconds: 1 };
const audit = new AuditLog({
  sessions: new SessionFacts(store),
  store,
  signer: new TestHeadSigner(),
  config,
  ...shared,
});
await audit.start();
process.stdout.write('open\n');

let next = Number(first);
async function worker(): Promise<never> {
  for (;;) {
    const n = next++;
    await store.core.transaction(async tx => {
      await store.settings.set(tx, `n${n}`, n);
      for (let part = 0; part < ENTRIES_PER_ACT; part++)
        await audit.append(tx, { event: 'test.act', actor: applianceActor, subject: String(n) });
    });
    process.stdout.write(`${n}\n`);
  }
}
await Promise.all(Array.from({ length: 8 }, worker));
