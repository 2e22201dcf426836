// Types on the customer's X server what the technician typed (key-choice.ts), one key after the other: before each the server
// is asked what holds just now, for the customer changes layouts and locks too.
import type { KeyboardState, Xkb } from 'x11';
import type { Clock } from '../../clock.ts';
import type { KeyInput } from '../../customer-core/input-sink.ts';
import type { XConnection } from '../x11/connection.ts';
import type { Injection } from './injection.ts';
import { bits, chooseKey, isModifierKey, type KeyboardSituation, type KeyChoice } from './key-choice.ts';
import { type KeyboardMap, parseGetMap, writeGetMap } from './keyboard-map.ts';
import { keyId } from './skipped-keys.ts';
import { SpareKeys } from './spare-keys.ts';

/** More keys than hands can hold. */
const MAX_HELD = 64;
/** Reading the map again while somebody keeps changing it ends here. */
const MAX_LOOKS = 4;
const NO_KEYSYM = 0;

export interface KeyboardOptions {
  readonly connection: XConnection;
  readonly xkb: Xkb;
  readonly injection: Injection;
  readonly clock: Clock;
  /** XTEST's keyboard: it has a map of its own, and that one counts when it types. */
  readonly device: number;
}

export class Keyboard {
  readonly #options: KeyboardOptions;
  readonly #spares = new SpareKeys();
  /** By the technician's key (`keyId`): what is down for it here. */
  readonly #held = new Map<string, number>();
  #map: KeyboardMap;
  #isMapOld = false;
  /** Counts releases of everything: what was begun before one is not ended after it. */
  #epoch = 0;

  private constructor(options: KeyboardOptions, map: KeyboardMap) {
    this.#options = options;
    this.#map = map;
  }

  static async open(options: KeyboardOptions): Promise<Keyboard> {
    return new Keyboard(options, await readMap(options));
  }

  /** As it was when last looked at. */
  get map(): KeyboardMap {
    return this.#map;
  }

  get heldKeys(): string[] {
    return [...this.#held.keys()];
  }

  mapChanged(): void {
    this.#isMapOld = true;
  }

  /** @throws ApplianceError `screen.lost` */
  async press(input: KeyInput): Promise<void> {
    const epoch = this.#epoch;
    let situation = await this.#look();
    let choice = chooseKey(situation, input);
    if (choice.how === 'bind' && (await this.#bind(input.keysym, epoch))) {
      situation = await this.#look();
      choice = chooseKey(situation, input);
    }
    if (epoch !== this.#epoch) return;
    if (choice.how === 'hold') this.#hold(input, choice.keycode);
    if (choice.how === 'tap') this.#tap(choice, situation.state);
    this.#options.injection.flush();
  }

  release(input: KeyInput): void {
    const id = keyId(input);
    const keycode = this.#held.get(id);
    if (keycode !== undefined) this.#letGo(id, keycode);
    this.#options.injection.flush();
  }

  releaseAll(): void {
    this.#epoch++;
    for (const keycode of new Set(this.#held.values())) this.#options.injection.key(false, keycode);
    this.#held.clear();
    this.#options.injection.flush();
  }

  /** Takes our characters from the keyboard again. */
  restore(): void {
    const { client } = this.#options.connection;
    for (const keycode of this.#spares.keycodes) client.ChangeKeyboardMapping(keycode, 1, [NO_KEYSYM]);
    this.#options.injection.flush();
  }

  async #look(): Promise<KeyboardSituation> {
    const { connection, xkb } = this.#options;
    let state: KeyboardState;
    let looks = 0;
    do {
      if (this.#isMapOld) {
        this.#isMapOld = false;
        this.#map = await readMap(this.#options);
        this.#spares.mapChanged(this.#map.keys);
      }
      state = await connection.ask<KeyboardState>(answer => xkb.GetState(xkb.UseCoreKbd, answer));
      // News of another map stands before the answer.
    } while (this.#isMapOld && ++looks < MAX_LOOKS);
    const ours = [...this.#held.values()].reduce((all, keycode) => all | this.#map.setsModifiers(keycode), 0);
    return { map: this.#map, state, ours };
  }

  /** @returns whether a spare key types it now */
  async #bind(keysym: number, epoch: number): Promise<boolean> {
    const { clock, connection, injection } = this.#options;
    const spare = this.#spares.next(this.#map.keys, keycode => this.#isDown(keycode), clock.monotonic());
    if (spare === null) return false;
    if (spare.restMs > 0) await new Promise<void>(resolve => void clock.after(spare.restMs, resolve));
    if (epoch !== this.#epoch) return false;
    // On both levels, so that Shift makes no difference.
    connection.client.ChangeKeyboardMapping(spare.keycode, 2, [keysym, keysym]);
    this.#spares.bind(spare.keycode, keysym, clock.monotonic());
    this.#isMapOld = true;
    injection.flush();
    return true;
  }

  #hold(input: KeyInput, keycode: number): void {
    const { injection, clock } = this.#options;
    const id = keyId(input);
    const before = this.#held.get(id);
    if (before === keycode && isModifierKey(input.keysym)) return; // it has no repetition
    if (before === undefined && this.#held.size >= MAX_HELD) return;
    // Of a key that is down a press tells nothing new: a repetition is up and down.
    if (before !== undefined) this.#letGo(id, before);
    this.#held.set(id, keycode);
    injection.key(true, keycode);
    this.#spares.used(keycode, clock.monotonic());
  }

  #letGo(id: string, keycode: number): void {
    this.#held.delete(id);
    if (!this.#isDown(keycode)) this.#options.injection.key(false, keycode);
  }

  #tap({ keycode, press, release, lock, unlock }: KeyChoice & { how: 'tap' }, { lockedMods }: KeyboardState): void {
    const { injection, clock } = this.#options;
    const letGo = [...new Set(this.#held.values())].filter(held => this.#map.setsModifiers(held) & release);
    const added = bits(press).flatMap(bit => this.#map.keyOfModifier(bit) ?? []);
    const locks = lock | unlock;
    if (locks !== 0) this.#setLocks(locks, lock);
    for (const held of letGo) injection.key(false, held);
    for (const one of added) injection.key(true, one);
    injection.key(true, keycode);
    injection.key(false, keycode);
    for (const one of added) injection.key(false, one);
    for (const held of letGo) injection.key(true, held);
    if (locks !== 0) this.#setLocks(locks, lockedMods);
    for (const [id, held] of this.#held) if (held === keycode) this.#held.delete(id);
    this.#spares.used(keycode, clock.monotonic());
  }

  #setLocks(which: number, to: number): void {
    const { xkb } = this.#options;
    xkb.LatchLockState(xkb.UseCoreKbd, which, to & which, false, 0, 0, 0, false, 0);
  }

  #isDown(keycode: number): boolean {
    return [...this.#held.values()].includes(keycode);
  }
}

async function readMap({ connection, xkb, device }: KeyboardOptions): Promise<KeyboardMap> {
  return parseGetMap(await connection.askBytes(writeGetMap(xkb.majorOpcode, device)));
}
