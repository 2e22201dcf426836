// Which key types what the technician typed. What counts is the character: his keyboard has another layout than the
// customer's, perhaps another CapsLock. So a key is sought that types this keysym, and where it takes other modifiers than
// are held, these are changed around a single tap of it. What no key types is given to a spare one (spare-keys.ts).
import type { KeyboardState } from 'x11';
import type { KeyInput } from '../../customer-core/input-sink.ts';
import { groupOf, type Key, type KeyboardMap, type KeyGroup, LOCK, levelOf } from './keyboard-map.ts';
import { keycodeOfScanCode } from './scan-codes.ts';

export type KeyChoice =
  /** Down as long as the technician's is. */
  | { readonly how: 'hold'; readonly keycode: number }
  /** Down and up, with these modifiers changed around it: they can't be kept so under somebody's fingers. */
  | {
      readonly how: 'tap';
      readonly keycode: number;
      readonly press: number;
      readonly release: number;
      readonly lock: number;
      readonly unlock: number;
    }
  | { readonly how: 'bind' }
  | { readonly how: 'none' };

export interface KeyboardSituation {
  readonly map: KeyboardMap;
  readonly state: KeyboardState;
  /** Modifiers that are in force because we hold their keys. */
  readonly ours: number;
}

interface Place {
  readonly key: Key;
  readonly group: KeyGroup;
  readonly level: number;
}

const NONE: KeyChoice = { how: 'none' };
const BIND: KeyChoice = { how: 'bind' };
const KEYPAD = { first: 0xff80, last: 0xffbd } as const;
const MODIFIER = { first: 0xffe1, last: 0xffee } as const;
const ISO = { first: 0xfe01, last: 0xfe13 } as const; // level and group shifts
const ISO_LEFT_TAB = 0xfe20;
const FIRST_FUNCTION = 0xfd00;
const LAST_FUNCTION = 0xffff;
const VENDOR_KEYS = 0x1000_0000; // XF86AudioMute and its like
const SERVER_COMMANDS = { first: 0x1008_fe00, last: 0x1008_feff } as const;
const DEAD = [
  { first: 0xfe50, last: 0xfe6f },
  { first: 0xfe80, last: 0xfe93 },
] as const;
/** A key that many layouts haven't got, and one that does the same. */
const SAME: Readonly<Record<number, number>> = {
  ...{ 65514: 0xffe9, 65511: 0xffe9, 65512: 0xffe9, 65506: 0xffe1, 65508: 0xffe3, 65516: 0xffeb },
  ...{ 65517: 0xffeb, 65518: 0xffeb, [ISO_LEFT_TAB]: 0xff09 },
};

export function chooseKey(situation: KeyboardSituation, { keysym, scanCode }: KeyInput): KeyChoice {
  const { map, state } = situation;
  const place = map.key(keycodeOfScanCode(scanCode) ?? 0);
  const isShortcut = (state.mods & map.shortcuts) !== 0;
  if (keysym === 0) return chooseNameless(situation, place, isShortcut);
  if (isFunction(keysym)) return chooseFunction(situation, keysym, place);
  if (isShortcut) {
    const found = findShortcut(situation, keysym, place);
    if (found !== undefined) return { how: 'hold', keycode: found.keycode };
  }
  return chooseCharacter(situation, keysym, place);
}

/** Including those that lock. */
export function isModifierKey(keysym: number): boolean {
  return within(keysym, MODIFIER) || within(keysym, ISO);
}

/** A key that does something rather than type: it is pressed as it is, whatever is held beside it. */
function isFunction(keysym: number): boolean {
  if (within(keysym, KEYPAD) || DEAD.some(range => within(keysym, range))) return false;
  return (keysym >= FIRST_FUNCTION && keysym <= LAST_FUNCTION) || keysym >= VENDOR_KEYS;
}

/**
 * To a spare key. Not a modifier, which is a key's affair and would do nothing there, and no command to the server itself: one
 * that this keyboard hasn't got the customer can't give either (end the server, switch its screen, move the mouse by keys).
 */
function mayBeGiven(keysym: number): boolean {
  const isMiscellaneous = keysym >= 0xff00 && keysym <= LAST_FUNCTION && !isModifierKey(keysym);
  return isMiscellaneous || (keysym >= VENDOR_KEYS && !within(keysym, SERVER_COMMANDS));
}

/**
 * A browser has no character for a dead key or while an input method composes; what is composed comes afterwards, whole.
 * So a key that types is not pressed for it, except as part of a shortcut.
 */
function chooseNameless({ map, state }: KeyboardSituation, place: Key | undefined, isShortcut: boolean): KeyChoice {
  if (place === undefined) return NONE;
  const keysym = map.keysymOf(place.keycode, state);
  return isShortcut || isFunction(keysym) ? { how: 'hold', keycode: place.keycode } : NONE;
}

function chooseFunction(situation: KeyboardSituation, keysym: number, place: Key | undefined): KeyChoice {
  const { map, state } = situation;
  const wanted = [keysym, SAME[keysym] ?? keysym];
  for (const name of wanted) {
    const inGroup = placesOf(map, name, state.group);
    const found =
      inGroup.find(({ key }) => key === place) ??
      inGroup.find(({ level }) => level === 0) ??
      inGroup.find(({ key }) => map.keysymOf(key.keycode, state) === name) ??
      inGroup[0] ??
      anyGroup(map, name)[0];
    if (found !== undefined) return { how: 'hold', keycode: found.key.keycode };
  }
  return mayBeGiven(keysym) ? BIND : NONE;
}

/** Of a shortcut the key counts, in any group, and for letters no case: CapsLock doesn't make Ctrl+Shift+C of Ctrl+C. */
function findShortcut({ map, state }: KeyboardSituation, keysym: number, place: Key | undefined): Key | undefined {
  if (isLatinLetter(keysym)) {
    const letter = keysym | 0x20;
    const found = placesOf(map, letter, state.group)[0] ?? anyGroup(map, letter)[0];
    if (found !== undefined) return found.key;
  }
  if (placesOf(map, keysym, state.group).length > 0) return undefined;
  return anyGroup(map, keysym)[0]?.key ?? place;
}

function chooseCharacter(situation: KeyboardSituation, keysym: number, place: Key | undefined): KeyChoice {
  const { map, state } = situation;
  const ways = placesOf(map, keysym, state.group).flatMap(found => waysTo(found, situation, keysym));
  const [best] = ways.sort((a, b) => a.cost - b.cost || Number(b.place.key === place) - Number(a.place.key === place));
  if (best === undefined) return BIND;
  const { keycode } = best.place.key;
  return best.cost === 0 ? { how: 'hold', keycode } : { how: 'tap', keycode, ...best.change };
}

interface Change {
  readonly press: number;
  readonly release: number;
  readonly lock: number;
  readonly unlock: number;
}

interface Way {
  readonly place: Place;
  readonly change: Change;
  readonly cost: number;
}

function waysTo(place: Place, situation: KeyboardSituation, keysym: number): Way[] {
  const { level, group } = place;
  const { type, keysyms } = group;
  // CapsLock that the key leaves over makes a capital of what it types, in the program that reads it; so it does where
  // both levels are the same, as on a spare key.
  const mustNotStay = isCased(keysym) ? LOCK : 0;
  const makesCapitals = keysyms[0] === keysym ? mustNotStay : 0;
  const entries = type.entries.filter(
    entry => entry.level === level && !(entry.preserved & mustNotStay) && !(entry.modifiers & makesCapitals),
  );
  if (level === 0 && levelOf(type, 0) === 0) entries.push({ modifiers: 0, level: 0, preserved: 0 });
  return entries.flatMap(({ modifiers }) => {
    const change = changeTo(modifiers, type.mask | mustNotStay, situation);
    return change === undefined ? [] : [{ place, change, cost: costOf(change, keysym) }];
  });
}

/** @returns undefined when it can't be done: the customer holds it, or no key sets it */
function changeTo(wanted: number, mask: number, { map, state, ours }: KeyboardSituation): Change | undefined {
  const add = wanted & ~state.mods;
  const remove = state.mods & mask & ~wanted;
  if (remove & ((state.baseMods & ~ours) | state.latchedMods)) return undefined;
  const lock = add & map.numLock;
  const press = add & ~lock;
  const release = remove & state.baseMods;
  if ((press | release) & (map.shortcuts | LOCK)) return undefined;
  if (bits(press).some(bit => map.keyOfModifier(bit) === undefined)) return undefined;
  return { press, release, lock, unlock: remove & state.lockedMods };
}

/** Fewest changes; on the keypad rather of NumLock than of Shift, which would select, elsewhere the other way round. */
function costOf({ press, release, lock, unlock }: Change, keysym: number): number {
  const [ofKeys, ofLocks] = within(keysym, KEYPAD) ? [2, 1] : [1, 2];
  return ofKeys * bits(press | release).length + ofLocks * bits(lock | unlock).length;
}

function placesOf(map: KeyboardMap, keysym: number, group: number): Place[] {
  return map.keys.flatMap(key => {
    const part = groupOf(key, group);
    if (part === undefined) return [];
    return part.keysyms.flatMap((here, level) => (here === keysym ? [{ key, group: part, level }] : []));
  });
}

function anyGroup(map: KeyboardMap, keysym: number): Place[] {
  return [0, 1, 2, 3].flatMap(group => placesOf(map, keysym, group));
}

export function bits(mask: number): number[] {
  return [1, 2, 4, 8, 16, 32, 64, 128].filter(bit => mask & bit);
}

function isLatinLetter(keysym: number): boolean {
  return keysym < 0x80 && /^[A-Za-z]$/.test(String.fromCharCode(keysym));
}

/** Has, or may have, a small and a capital form. */
function isCased(keysym: number): boolean {
  return isLatinLetter(keysym) || (keysym >= 0xb5 && !isFunction(keysym) && !within(keysym, KEYPAD));
}

function within(keysym: number, range: { readonly first: number; readonly last: number }): boolean {
  return keysym >= range.first && keysym <= range.last;
}
