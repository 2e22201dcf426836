// An auditor opens a session from the log and looks at its film: it plays, goes where he wants it, and each pixel is what was
// recorded.
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { parseSessionId, toBase64Url } from '../../appliance/guid.ts';
import { RECORDING_FINISHED_PATH } from '../../appliance/protocol/recorder-portal.ts';
import { signInAs } from '../portal/ask-as.ts';
import { askSocket } from '../portal/ask-socket.ts';
import { TestConsole } from '../portal/test-console.ts';
import { digestAt, FILM_SECONDS, makeFilm, QUIET_SECONDS } from '../recording/test-film.ts';
import { random } from '../recording/test-stream.ts';
import { type Appliance, startAppliance } from '../support/appliance.ts';
import { openBrowser } from '../support/chromium.ts';
import { look, signIn } from './portal-steps.ts';

/** The pointer is painted above it. */
const FROM_ROW = 60;

/** A session, and a film of it on the share as the recorder leaves one. */
async function makeSession(appliance: Appliance) {
  const run = (name: string) => join(appliance.dataFolder, 'run', name);
  const cookie = await signInAs(appliance, appliance.accounts?.technician);
  const console = new TestConsole(run('portal.sock'), cookie.slice(cookie.indexOf('=') + 1));
  const { session } = await console.post<{ session: { id: string } }>('/sessions', {
    customerName: 'Ada',
    language: null,
  });
  const sid = parseSessionId(session.id);
  const [linkId, nonce] = [random(16), random(16)];
  // It began before the session was made, so that the log has lines in its middle.
  const who = { sub: 'tina', technician: 'Tina', forced: true, startedAt: Date.now() - 100_000 };
  const film = await makeFilm({ sid, linkId, nonce, ...who, after: null, pausedMs: 0 });
  const name = `2026/06/01/080000-${sid}-${toBase64Url(nonce)}`;
  const { status } = await askSocket(
    run('portal-internal.sock'),
    'POST',
    RECORDING_FINISHED_PATH,
    undefined,
    {},
    {
      ...{ sid, linkId: toBase64Url(linkId), nonce: toBase64Url(nonce), ...who, name, bytes: film.length },
      ...{ sha256: createHash('sha256').update(film).digest('base64url'), offset: FILM_SECONDS + 1, isWhole: true },
      ...{ durationMs: FILM_SECONDS * 1000, receipt: null, attested: null, isPaused: false, after: null, pausedMs: 0 },
    },
  );
  if (status !== 200) throw new Error(`the recording was answered with ${status}`);
  const path = join(appliance.dataFolder, 'recordings', 'finished', `${name}.rcrec`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, film);
  return { sid, film };
}

/** Once the picture is exactly what was recorded at this moment. */
async function shows(page: Page, film: Awaited<ReturnType<typeof makeSession>>['film'], ms: number): Promise<void> {
  const expected = await digestAt(film, ms, FROM_ROW);
  await page.waitForFunction(
    async ([wanted, fromRow]) => {
      const canvas = document.querySelector<HTMLCanvasElement>('[data-part="screen"] canvas');
      if (canvas === null || canvas.height <= Number(fromRow)) return false;
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
      copy?.drawImage(canvas, 0, 0);
      const { width, height } = canvas;
      const data =
        copy?.getImageData(0, Number(fromRow), width, height - Number(fromRow)).data ?? new Uint8ClampedArray();
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', data));
      return [...digest].map(byte => byte.toString(16).padStart(2, '0')).join('') === wanted;
    },
    [expected, FROM_ROW] as const,
    { timeout: 60_000 },
  );
}

/** Where the player says that it is, in ms. */
async function until(page: Page, isPlaying: boolean, isThere: string): Promise<void> {
  await page.waitForFunction(
    ([playing, from, to]) => {
      const { ms, playing: now } = document.querySelector<HTMLElement>('[data-player]')?.dataset ?? {};
      return now === playing && Number(ms) >= Number(from) && Number(ms) <= Number(to);
    },
    [String(isPlaying), ...isThere.split('-')] as const,
    { timeout: 60_000 },
  );
}

async function plays(t: ExecutionContext, page: Page, film: Awaited<ReturnType<typeof makeSession>>['film']) {
  await page.getByRole('button', { name: 'Play recording 1' }).click();
  await until(page, true, '300-99999999');
  await page.keyboard.press(' ');
  await until(page, false, '0-99999999');
  const slider = page.getByLabel('Moment');
  const last = (FILM_SECONDS - 20) * 1000;
  await slider.fill(String(last));
  await until(page, false, `${last}-${last}`);
  await shows(page, film, last); // in the second segment
  await page.keyboard.press('ArrowLeft');
  await until(page, false, `${last - 10_000}-${last - 10_000}`);
  await shows(page, film, last - 10_000);
  await page.getByRole('row').filter({ hasText: 'session.created' }).getByRole('button').click();
  await until(page, false, '95000-105000');
  await page.locator('tr[aria-current]').filter({ hasText: 'session.' }).waitFor();
  const ms = Number(await page.locator('[data-player]').getAttribute('data-ms'));
  await shows(page, film, ms);
  await page.keyboard.press('n');
  await page.getByRole('status').getByText('Click at').waitFor();
  t.true((await page.locator('[data-part="monitors"] rect.shown').count()) === 1);
  await slider.fill(String(QUIET_SECONDS.from * 1000 + 500));
  await page.getByLabel('Skip quiet stretches').check();
  await page.getByRole('button', { name: 'Play', exact: true }).click();
  await until(page, true, `${QUIET_SECONDS.to * 1000}-${QUIET_SECONDS.to * 1000 + 20_000}`);
  await page.getByRole('button', { name: 'Pause' }).click();
}

test.serial(
  'H-01 H-04 D-08 an auditor plays a session’s film in the portal, goes to any moment of it, and has an AVI made',
  async t => {
    t.timeout(120_000);
    await using appliance = await startAppliance({ accounts: true, recorder: true });
    const { sid, film } = await makeSession(appliance);
    await using browser = await openBrowser(appliance);
    const { page } = browser;
    const { loginId = '', password = '' } = appliance.accounts?.auditor ?? {};
    await signIn(page, appliance.url, loginId, password);
    await page
      .getByRole('link', { name: `Page of session ${sid}` })
      .first()
      .click();
    await page.getByRole('heading', { name: 'Session', exact: true }).waitFor();
    await page.getByRole('button', { name: 'Make an AVI of recording 1' }).click();
    await page.getByText('The AVI ').waitFor();
    const asksAgain = page.waitForResponse(/\/avi\?number=1$/);
    await look(t, browser, 'avi-comes');
    await plays(t, page, film);
    t.is((await asksAgain).status(), 200, 'the page sees by itself how far it is'); // a film as long as this takes a minute
    await look(t, browser, 'session');
    const asked = await appliance.fetch('/admin/audit?event=recording.viewed', {
      headers: { cookie: await signInAs(appliance, appliance.accounts?.auditor) },
    });
    t.is(asked.text().split('<code>recording.viewed</code>').length - 1, 1, 'one look, however many parts');
    t.deepEqual(browser.complaints, []);
  },
);
