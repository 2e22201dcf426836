// A session that must be recorded, with nothing in anybody's place: signed program, real display, console in Chromium, and the
// recorder, which is killed in its middle; then its film, as AVI, in the portal, in the evidence, and fetched from the share.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { fromBase64Url, toBase64Url } from '../../appliance/guid.ts';
import { parseAttestation, parseRecordingReceipt } from '../../appliance/protocol/recording-receipt.ts';
import { BuiltApplets } from '../applet/built-applet.ts';
import type { Desktop } from '../applet/desktop.ts';
import { Editor } from '../applet/editor.ts';
import { Technician } from '../console/people.ts';
import { differing } from '../console/xwd.ts';
import { lastPictureOf } from '../recording/last-picture.ts';
import { TestShare } from '../recording/test-share.ts';
import { type Appliance, startAppliance } from '../support/appliance.ts';
import { compareCodes, download, startApplet } from './customer-steps.ts';
import { asksToControl, asksToSee, isExact, openDesktop, place, press, quiet, types } from './desktop-steps.ts';
import { verifiesEvidence } from './evidence-steps.ts';
import { fetchesFromShare, opensAsAvi } from './film-steps.ts';
import { type KnownMoment, playsMoments } from './player-steps.ts';

/** Around where the technician has pressed last: 900, 500 of a display as large as his picture of it. */
const POINTER = [836, 436, 964, 564] as const;

const FILM = /-([A-Za-z0-9_-]{22})-[A-Za-z0-9_-]{22}\.rcrec$/;

/** Recorder and applet have signed the same bytes, to the end. */
function isProved(t: ExecutionContext, manifestFile: string): { startedAt: number } {
  const { payload } = JSON.parse(readFileSync(manifestFile, 'utf8'));
  const manifest = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
  t.like(manifest, { type: 'recording', forced: true, isWhole: true, unattested: 0 });
  const proved = parseRecordingReceipt(fromBase64Url(manifest.receipt.payload));
  const attested = parseAttestation(fromBase64Url(manifest.attestation.payload));
  t.deepEqual([proved.offset, proved.digest], [attested.offset, attested.digest], 'the film is what the applet sent');
  t.is(manifest.nonce, toBase64Url(proved.nonce));
  return manifest;
}

/** What the display shows now, and will show until something is done. */
async function remember(desktop: Desktop, page: Page): Promise<KnownMoment> {
  const picture = await quiet(desktop, page);
  return { at: Date.now(), picture };
}

/** The recorder is killed: nothing is shown, the chat goes on, and all goes on by itself when it is back. */
async function loses(t: ExecutionContext, appliance: Appliance, technician: Technician, window: Page): Promise<void> {
  const { page } = technician;
  await appliance.processes.recorder.kill('SIGKILL');
  await types(page, ' and this may be lost');
  await page.locator('.stage').getByText('Must be recorded').waitFor();
  await technician.look(t, 'recording-held');
  await window.getByText('it must be recorded, and that can’t be done just now').waitFor();
  await technician.write('The recorder is away.');
  await window.getByText('The recorder is away.').waitFor();
  await appliance.processes.recorder.start();
  await page.getByTestId('recording').getByText('Recording', { exact: true }).waitFor();
  await page.locator('.stage').getByText('Must be recorded').waitFor({ state: 'detached' });
  await press(page, 900, 500);
  await types(page, ' goes on');
  await page.keyboard.press('Control+s');
}

/** The film is on the share, whole and proved, and its last picture is the display's. */
async function isKept(t: ExecutionContext, finished: string, end: KnownMoment) {
  const files = readdirSync(finished, { recursive: true, encoding: 'utf8' }).map(name => join(finished, name));
  const film = files.find(name => FILM.test(name)) ?? '';
  const { picture, marks, clicks } = await lastPictureOf(film);
  t.is(differing(picture, end.picture), 0, 'the last picture of the film is the desktop, in every pixel');
  const told = new Set<string>(marks.map(({ type }) => type));
  for (const type of ['begin', 'action', 'chat', 'end']) t.true(told.has(type), [...told].join(' '));
  t.true(clicks > 0, 'clicks are in it');

  const { startedAt } = isProved(t, files.find(name => name.endsWith('.manifest.json')) ?? '');
  const id = FILM.exec(film)?.[1] ?? '';
  return { id, startedAt, name: relative(finished, film).slice(0, -'.rcrec'.length) };
}

test.serial(
  'H-01 H-03 H-04 H-05 G-01 K-03 a session that must be recorded: film, proof, AVI, evidence, share; no picture while the recorder is away',
  async t => {
    t.timeout(320_000);
    await using share = await TestShare.start();
    await using appliance = await startAppliance({
      ...{ accounts: true, gateways: 2, recorder: true, helper: share.path('run', 'helper.sock') },
      rootPolicy: { forcedRecording: true, recordingFormat: 'both' },
      config: { recording: { folder: share.folder.path } },
    });
    using _built = await BuiltApplets.buildFor(appliance);
    await using desktop = await openDesktop();
    await using technician = await Technician.open(appliance, appliance.accounts?.technician);
    const { page } = technician;
    const program = await download(appliance, desktop, await technician.makeSession('Ada Lovelace'));
    const { window } = await startApplet(desktop, program);
    await compareCodes(t, technician, window, await technician.pickUp('Ada Lovelace'));
    await asksToSee(technician, window);
    await page.getByTestId('recording').getByText('Recording', { exact: true }).waitFor();
    await window.getByText('What is shown of your screen is being recorded.').waitFor();
    const editor = await Editor.open(desktop, 'notes.txt');
    await place(desktop, [0, 0, 1920, 1080]);
    await asksToControl(technician, window);
    await place(desktop, [0, 0, 1920, 1080]);
    await press(page, 900, 500);
    await page.getByTestId('keys-go').getByText('Keys go to').waitFor();
    await types(page, 'recorded');
    await isExact(t, page, desktop);
    const before = await remember(desktop, page);

    await loses(t, appliance, technician, window);
    t.regex(await editor.saved(), /^recorded.* goes on$/s);
    await isExact(t, page, desktop);
    await technician.look(t, 'recording');
    const after = await remember(desktop, page);
    await press(page, 900, 500);
    await types(page, ' to its end');
    await isExact(t, page, desktop);
    const end = await remember(desktop, page);

    await page.keyboard.press('Alt+X');
    await page.getByRole('dialog').getByRole('button', { name: 'End the session' }).click();
    await window.getByText('What was done').waitFor();
    await appliance.processes.recorder.told('recording.finished');
    const film = await isKept(t, share.path('finished'), end);
    await playsMoments(t, appliance, { ...film, moments: [before, after, end], pointer: POINTER });
    await opensAsAvi(t, appliance, share.path('finished', film.name));
    await verifiesEvidence(t, appliance, film.id);
    await fetchesFromShare(t, appliance, share, film.name);
    t.deepEqual(technician.complaints, []);
  },
);
