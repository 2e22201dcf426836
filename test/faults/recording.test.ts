// A session that must be recorded while the share fills up, is read-only or goes, and while the recorder is killed: picture and
// input stop, both people are told why, chat and log go on, and all goes on by itself, with the gap marked in the film.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { recordingHold } from '../../appliance/console/recording-words.ts';
import { openFile, playAll } from '../recording/open-rcrec.ts';
import { type Appliance, startAppliance } from '../support/appliance.ts';
import { BusyDesktop } from '../support/busy-desktop.ts';
import { heldPictures } from '../support/held-pictures.ts';
import { MountedShare } from '../support/mounted-share.ts';
import { CONTROL, RecordedSession } from '../support/recorded-session.ts';

const FULL = 'The storage for recordings is full. An administrator must make room.';
const GONE = 'The storage for recordings is not there. An administrator must look at it.';
const READ_ONLY = 'The storage for recordings can’t be written to. An administrator must look at it.';
const AWAY = 'The recorder is not reached. It is tried again by itself.';
/** One by each of the tests before. */
const GAPS = 3;

let share: MountedShare;
let appliance: Appliance;
let desktop: BusyDesktop;
let work: RecordedSession;

test.before(async () => {
  share = new MountedShare();
  const config = { recording: { folder: share.path } };
  const rootPolicy = { forcedRecording: true, recordingFormat: 'rcrec' } as const;
  appliance = await startAppliance({ accounts: true, recorder: true, rootPolicy, config });
  desktop = new BusyDesktop();
  work = await RecordedSession.begin(appliance, desktop);
  await work.allow(CONTROL);
});
test.after.always(async () => {
  await work?.[Symbol.asyncDispose]();
  desktop?.[Symbol.dispose]();
  await appliance?.close();
  share?.[Symbol.dispose]();
});

/** A key of the technician's that the customer's computer gets. */
async function types(key: string): Promise<void> {
  const code = key.charCodeAt(0);
  await work.technician.untilThat(() => (work.session.screen.input === 'on' ? true : undefined));
  while (!desktop.hands.done.includes(`key ${code}`)) {
    work.viewer.key(code); // again: a machine that is busy may hold it once more
    await work.viewer.client.nextUpdate();
  }
}

/** One line each way, and both in the log. */
async function chats(t: ExecutionContext, about: string): Promise<void> {
  const { technician, customer, session } = work;
  const lines = [`Carl: ${about}`, `Tina: ${about}`];
  customer.session.chat(lines[0] ?? '');
  session.write(lines[1] ?? '');
  await customer.line(lines[0] ?? '', ({ isPending }) => !isPending);
  await customer.line(lines[1] ?? '');
  const { chat } = await technician.api.detail(session.id);
  const logged = chat.map(({ text }) => text).filter(text => lines.includes(text ?? ''));
  t.deepEqual(logged.sort(), lines, 'the log goes on');
}

interface Fault {
  readonly words: string;
  readonly key: string;
  readonly begin: () => unknown;
  readonly end: () => unknown;
}

const isToldWhy = (words: string) =>
  work.technician.untilThat(() => (recordingHold(work.session.recording) === words ? true : undefined));

async function holds(t: ExecutionContext, { words, key, begin, end }: Fault): Promise<void> {
  const { technician, customer, viewer } = work;
  await begin();
  await customer.untilThat(() => (customer.state.recording === 'held' ? true : undefined));
  await isToldWhy(words);
  const looks = desktop.screen.looks.length;
  viewer.key(key.charCodeAt(0));
  await chats(t, words);
  const frames = viewer.frames;
  await chats(t, `still: ${words}`);
  t.is(viewer.frames, frames, 'no picture comes');
  t.true(desktop.screen.looks.length <= looks + 1, 'nobody looks any more; one look may wait');
  t.false(desktop.hands.done.includes(`key ${key.charCodeAt(0)}`), 'no key is taken');

  await end();
  await customer.untilThat(() => (customer.state.recording === 'on' ? true : undefined));
  await technician.untilThat(() => (work.isWell ? true : undefined));
  await viewer.client.nextUpdate();
  await types(key.toUpperCase());
}

test.serial('H-03 a share that is full stops the picture, not the chat; when there is room it goes on by itself', t =>
  holds(t, { words: FULL, key: 'a', begin: () => share.fill(), end: () => share.makeRoom() }),
);

test.serial(
  'H-03 a share that is gone, and then can only be read, stops the picture, not the chat, until it is well',
  t =>
    holds(t, {
      words: GONE,
      key: 'b',
      begin: () => share.takeAway(),
      end: async () => {
        share.putBackReadOnly();
        await isToldWhy(READ_ONLY);
        share.takeAway();
        share.putBack();
      },
    }),
);

test.serial('H-03 a recorder that is killed stops the picture, not the chat; when it is back it goes on by itself', t =>
  holds(t, {
    words: AWAY,
    key: 'c',
    begin: () => appliance.processes.recorder.kill('SIGKILL'),
    end: () => appliance.processes.recorder.start(),
  }),
);

test.serial(
  'H-03 G-07 the film tells of every gap, it is whole and attested, and so does the customer’s own log',
  async t => {
    const log = work.customer.logFolder;
    await work.end();
    await appliance.processes.recorder.told('recording.finished');
    const folder = join(share.path, 'finished');
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map(name => join(folder, name));
    const { payload } = JSON.parse(readFileSync(files.find(name => name.endsWith('.manifest.json')) ?? '', 'utf8'));
    const manifest = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    t.like(manifest, { isWhole: true, unattested: 0, forced: true });
    const film = await openFile(Uint8Array.from(readFileSync(files.find(name => name.endsWith('.rcrec')) ?? '')));
    const marks = (await playAll(film)).flatMap(one => one.marks).map(json => JSON.parse(json));
    t.true(marks.filter(({ type, state }) => type === 'state' && state === 'unrecorded').length >= GAPS);
    const notes = new Set(marks.filter(({ type }) => type === 'note').map(({ note }) => note));
    t.true(notes.has('share-full') && notes.has('share-gone'), [...notes].join());

    const held = heldPictures(log, desktop.screen.looks);
    t.true(held.length >= GAPS && held.every(({ isResumed }) => isResumed), JSON.stringify(held));
    for (const { unprovedMs, mostMs } of held) t.true(unprovedMs <= mostMs, `${unprovedMs} ms of ${mostMs} unproved`);
  },
);
