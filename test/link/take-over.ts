// Rounds of chance: two ends talk while their paths come, go, fall silent and are changed, each with a travel time of its
// own. Whatever happens, both sides must have the very same messages in the very same order. A round is its seed.
import type { LinkCrypto } from '../../appliance/link/crypto.ts';
import type { Link } from '../../appliance/link/link.ts';
import type { LinkStream } from '../../appliance/link/stream.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Collector, connectedLinks, MemoryPair, nextStream, type TestLinks, turns, turnsOf } from './support.ts';

export interface Round {
  readonly seed: number;
  readonly sent: number;
  /** Lost, repeated or in another place, over both directions. */
  readonly wrong: number;
  /** What happened to the paths, and what the link says at the end. */
  readonly story: string;
}

/** Numbers from 0 to 1 that a seed repeats (mulberry32). */
export function chanceOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const STEPS = 60;
const MOST_PATHS = 4;
const MOST_MESSAGE_BYTES = 30_000;
/** Turns given to what is under way at the end, with the clock going on. */
const PATIENCE = 3000;

interface TestPath {
  readonly attach: number;
  readonly pair: MemoryPair;
}

class Player {
  readonly #chance: () => number;
  readonly #links: TestLinks;
  readonly #clock: ManualClock;
  #paths: TestPath[];
  #story = '';

  constructor(chance: () => number, links: TestLinks, clock: ManualClock) {
    this.#chance = chance;
    this.#links = links;
    this.#clock = clock;
    this.#paths = [{ attach: 0, pair: links.pair }];
  }

  get story(): string {
    return this.#story;
  }

  below(limit: number): number {
    return Math.floor(this.#chance() * limit);
  }

  async step(): Promise<void> {
    const act = this.below(12);
    if (this.#paths.length === 0 || (act < 3 && this.#paths.length < MOST_PATHS)) await this.attach();
    else if (act === 3) this.#end('cut');
    else if (act === 4 && this.#paths.length > 1) this.#end('hold');
    else if (act < 8) this.#choose();
    await this.pass(1 + this.below(3));
  }

  async attach(): Promise<void> {
    const travel = 1 + this.below(8);
    this.#story += ` attach:${travel}`;
    const attached = this.#links.attach('relay', turnsOf(travel));
    let done = false;
    const settled = attached.then(
      path => this.#paths.push(path),
      () => undefined, // refused: the path before it ended the link's patience; another step tries again
    );
    void settled.then(() => {
      done = true;
    });
    for (let i = 0; i < PATIENCE && !done; i++) await this.pass(1);
  }

  async pass(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      await turns(2);
      this.#clock.advance(10);
    }
  }

  #end(how: 'cut' | 'hold'): void {
    const [gone] = this.#paths.splice(this.below(this.#paths.length), 1);
    this.#story += ` ${how}:${gone?.attach}`;
    gone?.pair[how]();
  }

  #choose(): void {
    const path = this.#paths[this.below(this.#paths.length)];
    if (path === undefined) return;
    this.#story += ` choose:${path.attach}${this.#links.console.choosePath(path.attach) ? '' : '!'}`;
  }
}

/** One direction: what was sent, and what came. */
class Talk {
  readonly sent: Bytes[] = [];
  readonly #stream: LinkStream;
  readonly #collector: Collector;

  constructor(stream: LinkStream, collector: Collector) {
    this.#stream = stream;
    this.#collector = collector;
  }

  say(player: Player): void {
    for (let more = player.below(4); more > 0; more--) {
      const message = new Uint8Array(4 + (player.below(4) === 0 ? player.below(MOST_MESSAGE_BYTES) : player.below(40)));
      message.fill(this.sent.length % 251);
      new DataView(message.buffer).setUint32(0, this.sent.length);
      this.#stream.send(message);
      this.sent.push(message);
    }
  }

  get arrived(): boolean {
    return this.#collector.messages.length >= this.sent.length;
  }

  get wrong(): number {
    const came = this.#collector.messages;
    const places = Math.max(came.length, this.sent.length);
    let wrong = 0;
    for (let i = 0; i < places; i++)
      if (Buffer.compare(came[i] ?? Buffer.alloc(0), this.sent[i] ?? Buffer.alloc(0)) !== 0) wrong++;
    return wrong;
  }
}

export async function takeOverRound(makeCrypto: () => LinkCrypto, seed: number): Promise<Round> {
  const clock = new ManualClock();
  const chance = chanceOf(seed);
  await using links = await connectedLinks({ makeCrypto, both: { clock, rekeyRecords: 20 }, pair: new MemoryPair() });
  const player = new Player(chance, links, clock);
  const out = links.console.openStream('chat', 2);
  const back = await nextStream(links.applet);
  const talks = [new Talk(out, new Collector(back)), new Talk(back, new Collector(out))];
  for (let step = 0; step < STEPS && !closed(links); step++) {
    for (const talk of talks) talk.say(player);
    await player.step();
  }
  if (!closed(links)) await player.attach();
  for (let i = 0; i < PATIENCE && !talks.every(talk => talk.arrived) && !closed(links); i++) {
    if (links.console.paths.length === 0) await player.attach();
    await player.pass(1);
  }
  return {
    seed,
    sent: talks.reduce((sum, talk) => sum + talk.sent.length, 0),
    wrong: talks.reduce((sum, talk) => sum + talk.wrong, closed(links) ? 1 : 0),
    story: `${player.story} / ${describe(links.console)}, ${describe(links.applet)}`.trim(),
  };
}

function closed({ console, applet }: TestLinks): boolean {
  return console.state.state === 'closed' || applet.state.state === 'closed';
}

function describe(link: Link): string {
  const { state, error } = link.state;
  return error === null ? `${link.role} ${state}` : `${link.role} ${state} ${error.code} ${error.message}`;
}
