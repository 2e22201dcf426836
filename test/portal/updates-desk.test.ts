// What runs and what waits: the first start of a release is logged once, and what apt says is read, or said to be unknown.
import { join } from 'node:path';
import test from 'ava';
import { parseSimulated, UpdatesDesk } from '../../appliance/portal/updates-desk.ts';
import { openTestAudit } from '../support/audit.ts';

// As Debian 12's apt 2.6 writes it.
const SAID = `NOTE: This is only a simulation!
Inst libssl3 [3.0.11-1~deb12u2] (3.0.15-1~deb12u1 Debian-Security:12/stable-security [amd64])
Inst base-files [12.4+deb12u5] (12.4+deb12u8 Debian:12.8/stable [amd64]) []
Inst linux-image-6.1.0-28-amd64 (6.1.119-1 Debian-Security:12/stable-security, Debian:12.9/stable [amd64])
Conf libssl3 (3.0.15-1~deb12u1 Debian-Security:12/stable-security [amd64])
`;

test('A-05 what apt would do is read: which package, from what to what, and whether it is for security', t => {
  t.deepEqual(parseSimulated(SAID), [
    { name: 'libssl3', from: '3.0.11-1~deb12u2', to: '3.0.15-1~deb12u1', isSecurity: true },
    { name: 'base-files', from: '12.4+deb12u5', to: '12.4+deb12u8', isSecurity: false },
    { name: 'linux-image-6.1.0-28-amd64', from: '', to: '6.1.119-1', isSecurity: true },
  ]);
});

test('A-05 the first start of a release is logged with the one before, further ones are not', async t => {
  const at = await openTestAudit();
  t.teardown(() => at.close());
  const parts = { ...at, rebootFlag: join(at.folder, 'none') };
  const first = new UpdatesDesk({ ...parts, version: '1.0.0', simulate: () => Promise.reject(new Error('no apt')) });
  await first.noteStart();
  await first.noteStart();
  at.clock.skip(60_000);
  const next = new UpdatesDesk({ ...parts, version: '1.1.0', rebootFlag: at.folder, simulate: async () => SAID });
  await next.noteStart();
  const told = (await at.entries()).filter(({ event }) => event === 'appliance.release-started');
  t.deepEqual(
    told.map(({ detail }) => [detail.version, detail.before]),
    [
      ['1.0.0', undefined],
      ['1.1.0', '1.0.0'],
    ],
  );
  t.like(await first.look(), { waiting: null, needsReboot: false });
  const now = await next.look();
  t.deepEqual(
    now.releases.map(({ version }) => version),
    ['1.1.0', '1.0.0'],
  );
  t.is(now.waiting?.length, 3);
  t.true(now.needsReboot);
  t.regex(now.schema, /^\d{4}-/);
});
