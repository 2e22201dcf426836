import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { cookieOf, own, post } from '../portal/ask-as.ts';
import { type Appliance, startAppliance } from '../support/appliance.ts';

const PASSWORD = 'walnut-trumpet-sleigh-77';

function choice(loginId: string, password = PASSWORD): Record<string, string> {
  const organisation = {
    organisation: 'Kestrel Works',
    timeZone: 'Europe/London',
    names: 'localhost',
    sameForSettings: 'on',
  };
  return { ...organisation, loginId, name: 'Ada Root', next: password, again: password };
}

async function open(appliance: Appliance): Promise<string> {
  return cookieOf(await post(appliance, '/setup/open', { code: appliance.setupCode ?? '' }));
}

test('A-04 without the code setup does nothing, and nothing else is served', async t => {
  await using appliance = await startAppliance();
  t.is((await post(appliance, '/setup', choice('evil'))).status, 401);
  t.is((await post(appliance, '/setup/assess', { password: 'x' })).status, 401);
  for (const path of ['/sign-in', '/account', '/admin/members', '/help']) {
    t.is((await appliance.fetch(path)).status, 404, path);
  }
  const foreign = await post(appliance, '/setup/open', { code: appliance.setupCode ?? '' }, { origin: 'https://evil' });
  t.is(foreign.status, 403);
  for (let tries = 0; tries < 10; tries += 1) {
    t.is((await post(appliance, '/setup/open', { code: `WRONG-${tries}` })).status, 403);
  }
  t.is((await post(appliance, '/setup/open', { code: 'WRONG' })).status, 429);
  t.true(existsSync(join(appliance.dataFolder, 'keys', 'setup-code')));
});

test('A-04 of two browsers that finish at once one wins, and the code is gone', async t => {
  await using appliance = await startAppliance();
  const [one, two] = [await open(appliance), await open(appliance)];
  t.not(one, two);
  const finish = (loginId: string, cookie: string) =>
    post(appliance, '/setup', choice(loginId), { ...own(appliance), cookie });
  const answers = await Promise.all([finish('one@example.com', one), finish('two@example.com', two)]);
  t.deepEqual(answers.map(answer => answer.status).sort(), [200, 409]);
  const signIns = ['one@example.com', 'two@example.com'].map(loginId =>
    post(appliance, '/sign-in', { loginId, password: PASSWORD }),
  );
  t.deepEqual((await Promise.all(signIns)).map(answer => answer.status).sort(), [303, 401]);
  t.false(existsSync(join(appliance.dataFolder, 'keys', 'setup-code')));
  t.is((await post(appliance, '/setup/open', { code: appliance.setupCode ?? '' })).status, 404);
  await appliance.processes.portal.restart('SIGKILL');
  t.is((await appliance.fetch('/setup')).status, 404);
});

test('A-04 what is wrong at setup is said beside its field, and makes nobody', async t => {
  await using appliance = await startAppliance();
  const cookie = await open(appliance);
  const wrong: [Record<string, string>, RegExp][] = [
    [{ ...choice('root'), organisation: '' }, /f-organisation-error/],
    [{ ...choice('root'), names: 'not a name!' }, /f-names-error/],
    [{ ...choice('root'), again: 'other' }, /f-again-error/],
    [choice('root', 'password1234'), /f-next-error/],
    [choice(''), /f-loginId-error/],
  ];
  for (const [fields, error] of wrong) {
    const answer = await post(appliance, '/setup', fields, { ...own(appliance), cookie });
    t.is(answer.status, 400);
    t.regex(answer.text(), error);
    t.false(answer.text().includes(PASSWORD), 'no password is sent back');
  }
  t.is((await appliance.fetch('/sign-in')).status, 404);
});
