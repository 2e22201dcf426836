// A customer's program that attacks the technician's console: markup in every field, what is no message, floods.
import test from 'ava';
import type { Page } from 'playwright-core';
import { utf8Bytes } from '../../appliance/protocol/bytes.ts';
import { writeChat } from '../../appliance/protocol/chat.ts';
import { HostileCustomer } from '../console/hostile-customer.ts';
import { Technician } from '../console/people.ts';
import { type Appliance, startAppliance } from '../support/appliance.ts';

const MARKUP = [
  '<script>alert(1)</script>',
  '<img src=x onerror="alert(2)">',
  '<svg onload=alert(3)><style>*{display:none}</style>',
  '"><iframe src="javascript:alert(4)"></iframe>',
  '{{alert(5)}} #{alert(6)} <!--lit-part--> <?lit$1$>',
  'javascript:alert(7) data:text/html,<script>alert(8)</script> https://evil.example/"onmouseover="alert(9)',
  '<form action="/sign-out" method="post"><button id="message">Send</button></form>',
];

let appliance: Appliance;
test.before(async () => {
  appliance = await startAppliance({ accounts: true });
});
test.after.always(() => appliance?.close());

/** Seconds the page's main thread has computed, whatever else the machine does. */
async function cpuOf(page: Page): Promise<() => Promise<number>> {
  const debugging = await page.context().newCDPSession(page);
  await debugging.send('Performance.enable', { timeDomain: 'threadTicks' });
  return async () => {
    const { metrics } = await debugging.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN;
  };
}

test.serial('E-03 attack: markup in all that a customer says is shown as text, and nothing of it runs', async t => {
  t.timeout(180_000);
  await using technician = await Technician.open(appliance, appliance.accounts?.technician);
  const { page } = technician;
  const pin = await technician.makeSession('Mallory <b>M</b>');
  await using customer = await HostileCustomer.enter(appliance, pin, '<script>alert(0)</script>');
  await technician.pickUp('Mallory');
  for (const text of MARKUP) await customer.line(text);
  await page
    .locator('.line.customer')
    .nth(MARKUP.length - 1)
    .waitFor();
  t.deepEqual(await technician.lines(), MARKUP);
  t.is(await page.locator('.log :is(img, script, iframe, style, form), .log svg[onload]').count(), 0);
  t.is(await page.locator('#message').count(), 1);
  const links = await page.locator('.log a').evaluateAll(all => all.map(one => one.getAttribute('href')));
  t.deepEqual(links, ['https://evil.example/']);
  t.is(await page.locator('.panel :is(img, script, iframe)').count(), 0);
  await technician.write('I am still here');
  await customer.hears('I am still here');
  t.deepEqual(technician.dialogs, []);
  t.deepEqual(technician.complaints, [], 'nothing even tried to break the policy');
});

test.serial('E-03 attack: what is no message ends its stream with a plain word, and a new link goes on', async t => {
  t.timeout(240_000);
  await using technician = await Technician.open(appliance, appliance.accounts?.technician);
  const { page } = technician;
  await using customer = await HostileCustomer.enter(appliance, await technician.makeSession('Mallory'), 'en');
  await technician.pickUp('Mallory');
  const invented =
    '{"answer":"yes","consent":"AAAAAAAAAAAAAAAAAAAAAA","request":"AAAAAAAAAAAAAAAAAAAAAA","ttlMs":1,"type":"answer","v":1}';
  for (const [kind, attack] of [
    ['chat', utf8Bytes('{"type":"line"}')],
    ['chat', Uint8Array.of(0xff, 0xfe, 0)],
    ['chat', utf8Bytes('x'.repeat(1_000_000))],
    ['consent', utf8Bytes(invented)],
  ] as const) {
    (await customer.stream(kind)).send(attack);
    await page.getByText('said something it must not say').waitFor();
    const before = await page.getByTestId('short-string').textContent();
    await page.getByRole('button', { name: 'Connect anew' }).click();
    await page.getByText('said something it must not say').waitFor({ state: 'detached' });
    await technician.linked();
    t.not(await page.getByTestId('short-string').textContent(), before, 'another link has another code');
  }
  await technician.write('after all of that');
  await customer.hears('after all of that');
  t.is(await page.locator('[data-request]').count(), 0, 'an answer nobody asked for allows nothing');
  t.deepEqual(technician.complaints, []);
});

test.serial('E-03 attack: a flood of lines and of typing costs the page little, and stays bounded', async t => {
  t.timeout(240_000);
  await using technician = await Technician.open(appliance, appliance.accounts?.technician);
  const { page } = technician;
  await using customer = await HostileCustomer.enter(appliance, await technician.makeSession('Mallory'), 'en');
  await technician.pickUp('Mallory');
  const chat = await customer.stream('chat');
  const cpu = await cpuOf(page);
  const before = await cpu();
  const long = 'A'.repeat(8000);
  for (let n = 0; n < 150; n++) await customer.line(`${n} ${long}`); // more than 1 MiB
  const typing = writeChat({ type: 'typing', typing: true });
  for (let n = 0; n < 50_000 && chat.queuedBytes < 3_900_000; n++) chat.send(typing);
  await page.locator('.line.customer').nth(20).waitFor();
  const spent = (await cpu()) - before;
  const lines = await page.locator('.line.customer').count();
  t.log(`the page’s CPU for each line of 8 KB, with typing in between: ${Math.round((spent * 1000) / lines)} ms`);
  t.true(spent / lines < 0.1);
  t.true((await page.locator('.line').count()) <= 100, 'only the last lines are in the page');
  t.true(chat.queuedBytes > 0, 'what is too much waits with who sends it');
  await technician.write('one moment');
  await customer.hears('one moment');
  await page.keyboard.press('Alt+X');
  await page.getByRole('dialog').getByRole('button', { name: 'End the session' }).click();
  await page.getByTestId('session-state').getByText('Closed').waitFor();
  t.deepEqual(technician.complaints, []);
});
