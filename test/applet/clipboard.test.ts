// The customer's clipboard, both ways, with programs that are honest, old, slow or hostile.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { deflateSync } from 'node:zlib';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { internAtoms } from '../../appliance/applet/input/clipboard-atoms.ts';
import { MAX_IMAGE_BYTES } from '../../appliance/applet/input/clipboard-content.ts';
import { parseSelectionEvent, type SelectionRequest } from '../../appliance/applet/input/selection-events.ts';
import { TAKEN_MS } from '../../appliance/applet/input/selection-owner.ts';
import { PIECE_MS, SelectionReader, WHOLE_MS } from '../../appliance/applet/input/selection-reader.ts';
import { X11Clipboard } from '../../appliance/applet/input/x11-clipboard.ts';
import { XConnection } from '../../appliance/applet/x11/connection.ts';
import { systemClock } from '../../appliance/clock.ts';
import type { ClipboardContent } from '../../appliance/customer-core/input-sink.ts';
import type { ApplianceError } from '../../appliance/errors.ts';
import { MAX_CLIPBOARD_BYTES } from '../../appliance/protocol/screen.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Desktop } from './desktop.ts';
import { SelectionProgram } from './selection-program.ts';

const test = anyTest.serial as TestFn<unknown>;
const TEXT = 'Grüße, 世界! 👩‍🔧🦊\r\n\tzweite Zeile\n';
const LONG = 'Wörter, und 🦊; '.repeat(26_000); // 500 KB
const PNG = Buffer.concat([
  Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
  deflateSync(Buffer.alloc(4)),
]);
let desktop: Desktop;

test.before(async () => {
  desktop = await Desktop.open();
});
test.after.always(() => desktop?.[Symbol.asyncDispose]());

async function open(t: ExecutionContext<unknown>, clock: ManualClock | typeof systemClock = systemClock) {
  const connection = await XConnection.open({ clock: systemClock, environment: desktop.environment });
  const clipboard = await X11Clipboard.open({ connection, clock });
  t.teardown(() => clipboard.close());
  const contents: ClipboardContent[] = [];
  let wake: () => void = () => undefined;
  const listen = () =>
    clipboard.listen(content => {
      contents.push(content);
      wake();
    });
  const next = async () => {
    while (contents.length === 0) {
      await new Promise<void>(resolve => {
        wake = resolve;
      });
    }
    return contents.shift();
  };
  /** Until the server has told it of all that was before. */
  const settle = () => connection.ask(answer => connection.client.GetInputFocus(answer));
  return { clipboard, contents, listen, next, settle };
}

async function program(t: ExecutionContext<unknown>): Promise<SelectionProgram> {
  const opened = await SelectionProgram.open(desktop);
  t.teardown(() => opened.close());
  return opened;
}

/** What the customer copies; xclip stays for as long as it is the last that was copied. */
async function copy(content: string | Buffer, ...args: readonly string[]): Promise<void> {
  const child = spawn('xclip', ['-selection', 'clipboard', '-in', ...args], {
    env: { ...desktop.environment },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.stdin.end(content);
  await once(child, 'exit');
}

/** What the customer pastes. */
async function paste(...args: readonly string[]): Promise<Buffer> {
  const child = spawn('xclip', ['-selection', 'clipboard', '-out', ...args], {
    env: { ...desktop.environment },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return buffer(child.stdout);
}

test('E-04 what the customer copies arrives: text with emoji, a long one, a picture', async t => {
  const { listen, next } = await open(t);
  listen();
  await copy(TEXT);
  t.deepEqual(await next(), { text: TEXT, image: null });
  await copy(LONG);
  t.is((await next())?.text, LONG);
  await copy(PNG, '-t', 'image/png');
  t.deepEqual(await next(), { text: null, image: Uint8Array.from(PNG) });
});

test('E-04 what the technician copies can be pasted: text with emoji, a long one, a picture', async t => {
  const { clipboard, settle } = await open(t);
  const write = async (content: ClipboardContent) => {
    clipboard.write(content);
    await settle(); // the server has told its time
    await settle(); // and has heard whose the clipboard is
  };
  await write({ text: TEXT, image: PNG });
  t.is((await paste()).toString(), TEXT);
  t.is((await paste('-t', 'UTF8_STRING')).toString(), TEXT);
  t.deepEqual(await paste('-t', 'image/png'), PNG);
  const targets = (await paste('-t', 'TARGETS')).toString().split('\n');
  for (const one of ['TARGETS', 'TIMESTAMP', 'SAVE_TARGETS', 'UTF8_STRING', 'image/png']) t.true(targets.includes(one));
  t.false(targets.includes('STRING')); // an emoji is none in Latin-1
  await write({ text: LONG, image: null });
  t.is((await paste()).toString(), LONG);
  await write({ text: 'é', image: null });
  t.deepEqual(await paste('-t', 'STRING'), Buffer.from([0xe9]));
  t.deepEqual(await paste('-t', 'image/png'), Buffer.alloc(0));
});

test("E-04 what the customer copies later takes the place of the technician's, and that is not told back", async t => {
  const { clipboard, listen, next, contents, settle } = await open(t);
  listen();
  clipboard.write({ text: 'from the technician', image: null });
  await settle();
  await settle();
  t.is((await paste()).toString(), 'from the technician');
  await copy('from the customer');
  t.is((await next())?.text, 'from the customer');
  t.is((await paste()).toString(), 'from the customer');
  t.deepEqual(contents, []);
});

test('E-04 D-04 nothing is read before somebody listens, nothing twice, and never what is only marked', async t => {
  const owner = await program(t);
  const answer = (request: Parameters<typeof owner.reply>[0]) => owner.reply(request, 0);
  const { listen, settle } = await open(t);
  await owner.own('CLIPBOARD', answer);
  await settle();
  const stop = listen();
  await owner.own('PRIMARY', answer);
  await settle();
  t.deepEqual(owner.asked, []);
  await owner.own('CLIPBOARD', answer);
  await owner.until('UTF8_STRING');
  t.deepEqual(owner.asked, ['TARGETS', 'UTF8_STRING']);
  stop();
  await owner.own('CLIPBOARD', answer);
  await settle();
  await owner.settle();
  t.deepEqual(owner.asked, ['TARGETS', 'UTF8_STRING']);
});

test('E-04 D-04 what a password manager copies is not read', async t => {
  const { listen, next } = await open(t);
  listen();
  const manager = await program(t);
  const names = ['UTF8_STRING', 'x-kde-passwordManagerHint'];
  const offered = await Promise.all(names.map(name => manager.atom(name)));
  await manager.own('CLIPBOARD', request => {
    manager.put(request, 4, 32, offered);
    manager.reply(request);
  });
  await manager.until('TARGETS');
  await copy('next');
  t.is((await next())?.text, 'next');
  t.deepEqual(manager.asked, ['TARGETS']);
});

test('E-04 what is too large is neither read nor written', async t => {
  const { clipboard, listen, next } = await open(t);
  listen();
  await copy('x'.repeat(MAX_CLIPBOARD_BYTES + 1));
  await copy(Buffer.concat([PNG, Buffer.alloc(MAX_IMAGE_BYTES)]), '-t', 'image/png');
  await copy('x'.repeat(MAX_CLIPBOARD_BYTES));
  t.is((await next())?.text?.length, MAX_CLIPBOARD_BYTES);
  for (const content of [
    { text: 'ü'.repeat(MAX_CLIPBOARD_BYTES / 2 + 1), image: null },
    { text: null, image: new Uint8Array(MAX_IMAGE_BYTES + 1) },
  ]) {
    t.is(t.throws<ApplianceError>(() => clipboard.write(content))?.code, 'clipboard.too-large');
  }
});

type Misbehaviour = (
  owner: SelectionProgram,
  request: SelectionRequest,
  more: { readonly utf8: number; readonly incr: number; readonly clock: ManualClock },
) => void;

const hostile: Record<string, Misbehaviour> = {
  'never answers': () => undefined,
  'answers with another type': (owner, request) => {
    owner.put(request, 19, 32, [1, 2, 3]);
    owner.reply(request);
  },
  'says it answered, and did not': (owner, request) => owner.reply(request),
  'answers into another property': (owner, request) => {
    owner.put({ ...request, property: 1 }, 31, 8, Buffer.from('x'));
    owner.reply(request, 1);
  },
  'answers with more than may be': (owner, request, { utf8 }) => {
    owner.put(request, utf8, 8, Buffer.alloc(MAX_BYTES + 1));
    owner.reply(request);
  },
  'begins in pieces, and sends none': (owner, request, { incr }) => {
    owner.put(request, incr, 32, [5]);
    owner.reply(request);
  },
  'sends pieces without end': (owner, request, { incr, utf8 }) => {
    owner.onTaken(request.requestor, () => owner.put(request, utf8, 8, Buffer.alloc(60_000)));
    owner.put(request, incr, 32, [5]);
    owner.reply(request);
  },
  'sends one byte from time to time, without end': (owner, request, { incr, utf8, clock }) => {
    owner.onTaken(request.requestor, () => {
      clock.advance(PIECE_MS - 1);
      owner.put(request, utf8, 8, Buffer.from('x'));
    });
    owner.put(request, incr, 32, [5]);
    owner.reply(request);
  },
  'floods its answer with changes': (owner, request, { incr, utf8 }) => {
    owner.put(request, incr, 32, [5]);
    owner.reply(request);
    for (let change = 0; change < 5000; change++) owner.put(request, utf8, 8, Buffer.from('x'));
  },
};
const MAX_BYTES = 200_000;

for (const [what, misbehave] of Object.entries(hostile)) {
  test(`E-04 attack: a program that ${what} is given up`, async t => {
    const clock = new ManualClock();
    const connection = await XConnection.open({ clock: systemClock, environment: desktop.environment });
    t.teardown(() => connection.close());
    const atoms = await internAtoms(connection);
    const reader = new SelectionReader({ connection, clock, atoms });
    connection.onEvent(event => {
      const news = parseSelectionEvent(event, -1);
      if (news !== null) reader.see(news);
    });
    const owner = await program(t);
    await owner.own('CLIPBOARD', request => misbehave(owner, request, { ...atoms, clock }));
    const question = { target: atoms.utf8, types: [atoms.utf8], format: 8, time: 0, maxBytes: MAX_BYTES } as const;
    let isOver = false;
    const reading = reader.read(question).finally(() => {
      isOver = true;
    });
    await owner.until('UTF8_STRING');
    while (!isOver) {
      await owner.settle();
      await connection.ask(answer => connection.client.GetInputFocus(answer));
      clock.advance(100);
    }
    t.is(await reading, null);
    t.true(clock.monotonic() - new ManualClock().monotonic() <= WHOLE_MS + PIECE_MS);
  });
}

test('E-04 attack: a program that copies without end is read now and then, and what is copied last arrives', async t => {
  const { listen, next } = await open(t);
  listen();
  const owner = await program(t);
  const utf8 = await owner.atom('UTF8_STRING');
  let copied = 0;
  const answer = (request: SelectionRequest) => {
    owner.put(request, utf8, 8, Buffer.from(String(copied)));
    owner.reply(request, request.target === utf8 ? request.property : 0);
  };
  for (copied = 1; copied < 300; copied++) await owner.own('CLIPBOARD', answer);
  let last = await next();
  while (last?.text !== '300') last = await next();
  t.true(owner.asked.length < 30, `asked ${owner.asked.length} times`);
});

test('E-04 attack: programs that ask for the clipboard and never take it hold up nobody for long', async t => {
  const clock = new ManualClock();
  const { clipboard, settle } = await open(t, clock);
  clipboard.write({ text: LONG, image: null });
  await settle();
  await settle();
  const asker = await program(t);
  const [selection, utf8] = [await asker.atom('CLIPBOARD'), await asker.atom('UTF8_STRING')];
  const ask = async (name: string) => {
    const property = await asker.atom(name);
    asker.connection.client.ConvertSelection(asker.window, selection, utf8, property, 0);
    return property;
  };
  for (let time = 0; time < 8; time++) await ask(`TAKE_${time}`);
  const refused = await ask('TAKE_9');
  await settle();
  await settle();
  const held = () =>
    asker.connection.ask<readonly number[]>(answer => asker.connection.client.ListProperties(asker.window, answer));
  t.is((await held()).length, 8);
  t.false((await held()).includes(refused));
  clock.advance(TAKEN_MS);
  t.is((await paste()).toString(), LONG);
});
