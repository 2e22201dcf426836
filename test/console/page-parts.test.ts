// What the console's components name and the page has to bring: icons, and a style sheet without inline styles.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { readSettings } from '../../appliance/console/settings.ts';
import { commandOf, shortcuts } from '../../appliance/console/shortcuts.ts';
import { fittingReplies } from '../../appliance/console/view/reply-picker.ts';
import { ROOT } from '../support/appliance.ts';

const FOLDER = join(ROOT, 'appliance/console');
const sources = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.ts'))
  .map(name => readFileSync(join(FOLDER, name), 'utf8'));

test('E-02 the page brings every icon the console names, and no other', t => {
  const page = readFileSync(join(ROOT, 'appliance/portal/technician/console-page.ts'), 'utf8');
  const brought = new Set(/const ICONS = \[([\s\S]*?)\];/.exec(page)?.[1]?.match(/[a-z0-9-]+/g));
  const quoted = new Set(sources.flatMap(text => [...text.matchAll(/'([a-z0-9-]+)'/g)].map(match => match[1] ?? '')));
  const named = sources.flatMap(text => [...text.matchAll(/icon: '([a-z0-9-]+)'|icon\('([a-z0-9-]+)'\)/g)]);
  for (const [, inTable, inCall] of named) t.true(brought.has(inTable ?? inCall ?? ''), inTable ?? inCall);
  for (const name of brought) t.true(quoted.has(name), `${name} is used nowhere`);
});

test('E-03 attack: no component makes markup from text, or a style the policy forbids', t => {
  for (const text of sources) {
    t.notRegex(text, /unsafeHTML|unsafeSVG|innerHTML|insertAdjacentHTML|document\.write|outerHTML/);
    t.notRegex(text, /\sstyle=/);
  }
});

test('E-02 each shortcut is one key’s, says what it does, and is quiet where text is typed', t => {
  const codes = shortcuts.flatMap(({ code }) => (code === null ? [] : [code]));
  t.is(new Set(codes).size, codes.length);
  const pressed = { code: 'KeyN', key: 'n', altKey: true, ctrlKey: false, metaKey: false, repeat: false };
  t.is(commandOf(pressed, true), 'new-session');
  t.is(commandOf({ ...pressed, altKey: false }, false), null);
  t.is(commandOf({ ...pressed, ctrlKey: true }, false), null, 'AltGr is Ctrl and Alt on some systems');
  t.is(commandOf({ ...pressed, repeat: true }, false), null);
  const question = { ...pressed, code: 'Minus', key: '?', altKey: false };
  t.is(commandOf(question, false), 'help');
  t.is(commandOf(question, true), null);
});

test('E-03 a slash at the start of a message finds replies by any of their words', t => {
  const reply = (title: string, text: string) => ({ id: title, title, text, isShared: true });
  const replies = [reply('Greeting', 'Good morning'), reply('Restart', 'I will restart your computer')];
  const found = (draft: string) => fittingReplies(draft, replies)?.map(({ title }) => title);
  t.deepEqual(found('/'), ['Greeting', 'Restart']);
  t.deepEqual(found('/re'), ['Restart', 'Greeting'], 'a title that begins so comes first');
  t.deepEqual(found('/morning good'), ['Greeting']);
  t.deepEqual(found('/nothing'), []);
  t.is(found('no / slash at the start'), undefined);
});

test('E-03 settings that do not fit any more are what they were at first', t => {
  const first = readSettings(null);
  t.like(first, { sounds: true, notifications: false, density: 'compact' });
  t.deepEqual(readSettings('not json'), first);
  t.deepEqual(readSettings('[1]'), first);
  t.deepEqual(readSettings('{"sounds":"loud","density":7}'), first);
  t.false(readSettings('{"sounds":false}').sounds);
});
