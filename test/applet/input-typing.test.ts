// The right characters, whatever the customer's keyboard: typed into a real editor, and read from the file it saves.
import { execFileSync } from 'node:child_process';
import anyTest, { type TestFn } from 'ava';
import { X11Input } from '../../appliance/applet/input/x11-input.ts';
import { XConnection } from '../../appliance/applet/x11/connection.ts';
import { systemClock } from '../../appliance/clock.ts';
import { Desktop } from './desktop.ts';
import { Editor } from './editor.ts';
import { KEYSYM, keysymOf, Typist } from './typist.ts';

const ISSUE = 'abc ABC !"$%/() äöüß éñ € ж 中';
const TEXT = `${ISSUE}\n{[]}\\@~\`^|<>#'*+-_.:,;?=&§°µ²³ àçêÑ 日本語テスト Привет мир αβγ Łódź ½ 😀`;

/** An editor that is far behind reads spare keys wrongly that were given to others meanwhile (spare-keys.ts): it saves in between. */
const AT_ONCE = 8;

const test = anyTest.serial as TestFn<unknown>;
let desktop: Desktop;

test.before(async () => {
  desktop = await Desktop.open();
  await desktop.manage();
});
test.after.always(() => desktop?.[Symbol.asyncDispose]());

function setLayout(...args: readonly string[]): void {
  execFileSync('setxkbmap', [...args], { env: { ...desktop.environment } });
}

async function technician() {
  const connection = await XConnection.open({ clock: systemClock, environment: desktop.environment });
  const sink = await X11Input.open({ connection, clock: systemClock, point: () => undefined });
  return { sink, typist: new Typist(sink) };
}

interface Keyboard {
  readonly name: string;
  readonly text: string;
  readonly layout: readonly string[];
  /** What holds when the technician begins: the customer pressed it. */
  readonly customer?: readonly string[];
  /** What the technician holds meanwhile. */
  readonly held?: number;
}

const keyboards: readonly Keyboard[] = [
  { name: 'us', text: TEXT, layout: ['us'] },
  { name: 'de', text: TEXT, layout: ['de'] },
  { name: 'fr', text: TEXT, layout: ['fr'] },
  { name: 'ru beside us', text: ISSUE, layout: ['us,ru'], customer: ['ISO_Next_Group'] },
  { name: "fr, with the customer's CapsLock", text: ISSUE, layout: ['fr'], customer: ['Caps_Lock'] },
  { name: 'us, with Shift held', text: ISSUE, layout: ['us'], held: KEYSYM.shift },
  { name: 'de, with AltGr held', text: ISSUE, layout: ['de'], held: KEYSYM.altGr },
];

keyboards.forEach(({ name, text, layout, customer = [], held }, at) => {
  test(`E-04 what is typed stands in the customer's editor, character by character: ${name}`, async t => {
    setLayout('-layout', 'us', '-option', '');
    setLayout('-layout', ...layout);
    for (const key of customer) execFileSync('xdotool', ['key', key], { env: { ...desktop.environment } });
    const editor = await Editor.open(desktop, `text-${at}.txt`);
    const { sink, typist } = await technician();
    t.teardown(() => sink.close());
    const characters = [...text];
    const step = held === undefined ? AT_ONCE : characters.length; // a shortcut with that key held is another one
    if (held !== undefined) typist.key(true, held);
    for (let from = 0; from < characters.length; from += step) {
      typist.type(characters.slice(from, from + step).join(''));
      if (held !== undefined) typist.key(false, held);
      typist.together(KEYSYM.control, keysymOf('s'));
      await editor.saved(Math.min(from + step, characters.length));
    }
    t.is(await editor.saved(), text);
  });
});
