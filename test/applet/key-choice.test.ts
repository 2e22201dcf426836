// For each keyboard, each character on it and whatever is held or locked: the key that is chosen types that character. The
// keyboards are those of a real X server; what a key then types is reckoned as XKB does.
import { execFileSync } from 'node:child_process';
import anyTest, { type TestFn } from 'ava';
import fc from 'fast-check';
import type { KeyboardState } from 'x11';
import { chooseKey, type KeyboardSituation, type KeyChoice } from '../../appliance/applet/input/key-choice.ts';
import {
  groupOf,
  type KeyboardMap,
  LOCK,
  parseGetMap,
  SHIFT,
  writeGetMap,
} from '../../appliance/applet/input/keyboard-map.ts';
import { XConnection } from '../../appliance/applet/x11/connection.ts';
import { systemClock } from '../../appliance/clock.ts';
import type { ApplianceError } from '../../appliance/errors.ts';
import { Desktop } from './desktop.ts';
import { KEYSYM, keysymOf } from './typist.ts';

const LAYOUTS = ['us', 'de', 'fr', 'fr(bepo)', 'de(neo)', 'ru', 'gr', 'us,ru', 'ch(fr)', 'jp', 'br', 'tr(f)'];
const LEVEL_THREE = 128;

const test = anyTest as TestFn<unknown>;
const maps = new Map<string, Buffer>();

test.before(async () => {
  await using desktop = await Desktop.open();
  const connection = await XConnection.open({ clock: systemClock, environment: desktop.environment });
  const xkb = await connection.extension('xkb');
  if (xkb === null) throw new Error('no XKB');
  for (const layout of LAYOUTS) {
    execFileSync('setxkbmap', [layout], { env: { ...desktop.environment } });
    maps.set(layout, await connection.askBytes(writeGetMap(xkb.majorOpcode, xkb.UseCoreKbd)));
  }
  connection.close();
});

function mapOf(layout: string): KeyboardMap {
  const bytes = maps.get(layout);
  if (bytes === undefined) throw new Error(`no map of ${layout}`);
  return parseGetMap(bytes);
}

interface Held {
  readonly ours: number;
  readonly theirs: number;
  readonly locked: number;
  readonly group: number;
}

const held: fc.Arbitrary<Held> = fc.record({
  ours: fc.constantFrom(0, SHIFT, LEVEL_THREE, SHIFT | LEVEL_THREE),
  theirs: fc.constantFrom(0, 0, 0, SHIFT, LEVEL_THREE),
  locked: fc.constantFrom(0, LOCK, 16, LOCK | 16),
  group: fc.integer({ min: 0, max: 3 }),
});

function situationOf(map: KeyboardMap, { ours, theirs, locked, group }: Held): KeyboardSituation {
  const baseMods = ours | theirs;
  const state: KeyboardState = { mods: baseMods | locked, baseMods, latchedMods: 0, lockedMods: locked, group };
  return { map, state, ours: ours & ~theirs };
}

/** What arrives in a program, XKB's capitals included; 0 when nothing is pressed. */
function typed({ map, state }: KeyboardSituation, choice: KeyChoice): number {
  if (choice.how !== 'hold' && choice.how !== 'tap') return 0;
  const change = choice.how === 'tap' ? choice : { press: 0, release: 0, lock: 0, unlock: 0 };
  const mods = (state.mods & ~(change.release | change.unlock)) | change.press | change.lock;
  const keysym = map.keysymOf(choice.keycode, { group: state.group, mods });
  const group = groupOf(map.key(choice.keycode), state.group);
  const isUsed = (group?.type.mask ?? 0) & LOCK && group?.keysyms[0] !== keysym;
  const isSmall = (keysym >= 0x61 && keysym <= 0x7a) || (keysym >= 0xe0 && keysym <= 0xfe && keysym !== 0xf7);
  return mods & LOCK && !isUsed && isSmall ? keysym & ~0x20 : keysym;
}

function characterKeysyms(map: KeyboardMap, group: number): number[] {
  const all = map.keys.flatMap(key => groupOf(key, group)?.keysyms ?? []);
  return [...new Set(all)].filter(keysym => (keysym >= 0x20 && keysym < 0xfd00) || keysym >> 24 === 1);
}

test('E-04 every character of a keyboard is typed as it is, whatever is held and locked', t => {
  for (const layout of LAYOUTS) {
    const map = mapOf(layout);
    fc.assert(
      fc.property(held, fc.nat(), (keys, which) => {
        const situation = situationOf(map, keys);
        const keysyms = characterKeysyms(map, keys.group);
        const keysym = keysyms[which % keysyms.length] ?? 0;
        const choice = chooseKey(situation, { type: 'key', down: true, keysym, scanCode: 0 });
        // A spare key types it as well; it is for when the customer himself holds what would have to be let go.
        if (choice.how === 'bind') return keys.theirs !== 0;
        return typed(situation, choice) === keysym;
      }),
      { numRuns: 400 },
    );
  }
  t.pass();
});

test('E-04 what no key types goes to a spare one; what is no character never does with a modifier', t => {
  const nothing = situationOf(mapOf('us'), { ours: 0, theirs: 0, locked: 0, group: 0 });
  const choose = (keysym: number) => chooseKey(nothing, { type: 'key', down: true, keysym, scanCode: 0 }).how;
  for (const character of 'äéж中€😀') t.is(choose(keysymOf(character)), 'bind', character);
  t.is(choose(0xffd5), 'bind'); // F24
  t.is(choose(KEYSYM.altGr), 'hold');
  t.is(choose(0xffea), 'hold'); // the right Alt key, which keyboards with AltGr haven't got
  t.is(
    chooseKey({ ...nothing, map: mapOf('de') }, { type: 'key', down: true, keysym: 0xffea, scanCode: 0 }).how,
    'hold',
  );
  t.is(choose(0xffe6), 'none'); // Shift lock
  t.is(choose(0x1008_ff9f), 'bind'); // a key for the time
  const commands = { endServer: 0xfed5, nextScreen: 0xfed2, pointerButton: 0xfee9, stickyKeys: 0xfe75 };
  for (const [name, keysym] of Object.entries(commands)) t.is(choose(keysym), 'none', name);
  for (let screen = 1; screen <= 12; screen++) {
    t.true(['none', 'hold'].includes(choose(0x1008_fe00 + screen))); // held where a key has it: Ctrl+Alt+F1
  }
});

test('E-04 of two keys that type the same the one the technician pressed is taken', t => {
  const situation = situationOf(mapOf('us'), { ours: 0, theirs: 0, locked: 0, group: 0 });
  const choose = (scanCode: number) =>
    chooseKey(situation, { type: 'key', down: true, keysym: keysymOf('<'), scanCode });
  t.deepEqual(choose(0x56), { how: 'hold', keycode: 94 }); // the key beside the left Shift
  t.like(choose(0x33), { how: 'hold', keycode: 94 }); // without Shift this one types a comma
});

test('E-04 a map that is cut off is a defect, not a wrong keyboard', t => {
  const whole = maps.get('us') ?? Buffer.alloc(0);
  for (let length = 0; length < whole.length - 8; length += 97) {
    t.is(t.throws<ApplianceError>(() => parseGetMap(whole.subarray(0, length)))?.code, 'appliance.defect');
  }
});
