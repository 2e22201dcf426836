// What the customer's keyboard types: the answer to XkbGetMap (XKB protocol §16.4, "XkbGetMap"), read into keys, groups and
// levels. A layout has up to four groups (us, ru); a key has levels in each, and its type tells which modifiers choose which.
import type { KeyboardState } from 'x11';
import { defect } from '../../errors.ts';

const GET_MAP = 8;
const PART = { types: 1, symbols: 2, actions: 16 } as const;
const REPLY_HEAD = 8; // is not in the bytes of an answer
const ACTION = { setModifiers: 1, lockModifiers: 3 } as const;
/** Bits of real modifiers. */
export const SHIFT = 1;
export const LOCK = 2;
export const CONTROL = 4;
const KEYSYM = {
  numLock: 0xff7f,
  shortcuts: [0xffe9, 0xffea, 0xffe7, 0xffe8, 0xffeb, 0xffec, 0xffed, 0xffee],
} as const;

/** One way to a level: with exactly these of the type's modifiers in force. */
export interface LevelEntry {
  readonly modifiers: number;
  readonly level: number;
  /** Modifiers that choose the level, and still act on the character. */
  readonly preserved: number;
}

export interface KeyType {
  /** Modifiers that matter. */
  readonly mask: number;
  readonly entries: readonly LevelEntry[];
}

export interface KeyGroup {
  readonly type: KeyType;
  /** By level; 0 where there is none. */
  readonly keysyms: readonly number[];
}

export interface Key {
  readonly keycode: number;
  readonly groups: readonly KeyGroup[];
  /** What a group beyond those of this key stands for. */
  readonly beyond: 'wrap' | 'clamp' | number;
}

export class KeyboardMap {
  readonly keys: readonly Key[];
  /** Modifiers that are in force while a key is down. */
  readonly #sets: ReadonlyMap<number, number>;
  /** Modifiers that make a shortcut of a key: Control, Alt, Windows. */
  readonly shortcuts: number;
  /** The modifier that NumLock locks; 0 without one. */
  readonly numLock: number;

  constructor(keys: readonly Key[], actions: ReadonlyMap<number, Actions>) {
    this.keys = keys;
    this.#sets = new Map([...actions].map(([keycode, { sets }]) => [keycode, sets]));
    const named = (keysyms: readonly number[]) =>
      keys.filter(({ groups }) => keysyms.includes(groups[0]?.keysyms[0] ?? 0)).map(({ keycode }) => keycode);
    const together = (keycodes: number[], of: keyof Actions) =>
      keycodes.reduce((all, keycode) => all | (actions.get(keycode)?.[of] ?? 0), 0);
    this.shortcuts = CONTROL | together(named(KEYSYM.shortcuts), 'sets');
    this.numLock = together(named([KEYSYM.numLock]), 'locks');
  }

  key(keycode: number): Key | undefined {
    return this.keys.find(key => key.keycode === keycode);
  }

  /** Modifiers that are in force while it is down; 0 for an ordinary key. */
  setsModifiers(keycode: number): number {
    return this.#sets.get(keycode) ?? 0;
  }

  /** The first key that puts exactly this modifier in force. */
  keyOfModifier(modifier: number): number | undefined {
    return this.keys.find(({ keycode }) => this.#sets.get(keycode) === modifier)?.keycode;
  }

  /** What it types now; 0 when nothing. */
  keysymOf(keycode: number, { group, mods }: Pick<KeyboardState, 'group' | 'mods'>): number {
    const part = groupOf(this.key(keycode), group);
    return part?.keysyms[levelOf(part.type, mods)] ?? 0;
  }
}

export interface Actions {
  readonly sets: number;
  readonly locks: number;
}

export function groupOf(key: Key | undefined, group: number): KeyGroup | undefined {
  if (key === undefined || group < key.groups.length) return key?.groups[group];
  if (key.beyond === 'wrap') return key.groups[group % key.groups.length];
  return key.groups[key.beyond === 'clamp' ? key.groups.length - 1 : key.beyond];
}

export function levelOf({ mask, entries }: KeyType, modifiers: number): number {
  return entries.find(entry => entry.modifiers === (modifiers & mask))?.level ?? 0;
}

/** The request: all types, keysyms and actions of one keyboard. */
export function writeGetMap(opcode: number, device: number): Buffer {
  const request = Buffer.alloc(28);
  request.set([opcode, GET_MAP]);
  request.writeUInt16LE(request.length / 4, 2);
  request.writeUInt16LE(device, 4);
  request.writeUInt16LE(PART.types | PART.symbols | PART.actions, 6);
  return request;
}

/** @param body what follows the first eight bytes of the answer */
export function parseGetMap(body: Buffer): KeyboardMap {
  try {
    return readMap(body);
  } catch (cause) {
    throw defect('the keyboard map of the X server could not be read', cause);
  }
}

function readMap(body: Buffer): KeyboardMap {
  const head = (offset: number) => body.readUInt8(offset - REPLY_HEAD);
  const [types, afterTypes] = readTypes(body, 40 - REPLY_HEAD, head(15));
  const [keys, afterKeys] = readKeys(body, afterTypes, { types, first: head(17), count: head(20) });
  return new KeyboardMap(keys, readActions(body, afterKeys, head(21), head(24)));
}

function readTypes(body: Buffer, start: number, count: number): [KeyType[], number] {
  const types: KeyType[] = [];
  let at = start;
  for (let type = 0; type < count; type++) {
    const [mask, entryCount, hasPreserved] = [body.readUInt8(at), body.readUInt8(at + 5), body.readUInt8(at + 6) !== 0];
    at += 8;
    const preservedAt = at + 8 * entryCount;
    const entries: LevelEntry[] = [];
    for (let entry = 0; entry < entryCount; entry++, at += 8) {
      if (body.readUInt8(at) === 0) continue; // it needs a modifier this keyboard hasn't got
      const preserved = hasPreserved ? body.readUInt8(preservedAt + 4 * entry) : 0;
      entries.push({ modifiers: body.readUInt8(at + 1), level: body.readUInt8(at + 2), preserved });
    }
    if (hasPreserved) at += 4 * entryCount;
    types.push({ mask, entries });
  }
  return [types, at];
}

interface KeyReading {
  readonly types: readonly KeyType[];
  readonly first: number;
  readonly count: number;
}

function readKeys(body: Buffer, start: number, { types, first, count }: KeyReading): [Key[], number] {
  const keys: Key[] = [];
  let at = start;
  for (let keycode = first; keycode < first + count; keycode++) {
    const [info, width, total] = [body.readUInt8(at + 4), body.readUInt8(at + 5), body.readUInt16LE(at + 6)];
    const groups = Array.from({ length: Math.min(info & 0x0f, 4) }, (_, group): KeyGroup => {
      const type = types[body.readUInt8(at + group)] ?? { mask: 0, entries: [] };
      const keysyms = Array.from({ length: width }, (_, level) =>
        body.readUInt32LE(at + 8 + 4 * (group * width + level)),
      );
      return { type, keysyms };
    });
    const beyond = info & 0x80 ? (info >> 4) & 3 : info & 0x40 ? 'clamp' : 'wrap';
    keys.push({ keycode, groups, beyond });
    at += 8 + 4 * total;
  }
  return [keys, at];
}

/** Of each key what its first level does: it is there whatever else is held. */
function readActions(body: Buffer, start: number, first: number, count: number): Map<number, Actions> {
  const actions = new Map<number, Actions>();
  let at = start + Math.ceil(count / 4) * 4;
  for (let key = 0; key < count; key++) {
    const number = body.readUInt8(start + key);
    if (number > 0) {
      const [kind, mask] = [body.readUInt8(at), body.readUInt8(at + 2)];
      const sets = kind === ACTION.setModifiers ? mask : 0;
      const locks = kind === ACTION.lockModifiers ? mask : 0;
      if (sets | locks) actions.set(first + key, { sets, locks });
    }
    at += 8 * number;
  }
  return actions;
}
