// A day of guessing PINs at six sites (TRUST: PIN, link, claim), on a clock moved by hand.
import { randomInt } from 'node:crypto';
import test from 'ava';
import { Metrics } from '../../appliance/metrics.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { DAILY_RISK, digitsNeeded, drawPin } from '../../appliance/sessions/pin.ts';
import { MAX_HELD_MS, PinGuard } from '../../appliance/sessions/pin-guard.ts';
import { openSessions, technician } from '../sessions/open-sessions.ts';
import { ManualClock } from '../support/manual-clock.ts';

const SITES = 6;
const LIVE = 40;
const BOTS = 40;
const PIN_MS = 20 * 60_000;
const DAY_MS = 86_400_000;
const STEP_MS = 60_000; // each bot tries once a minute; a customer comes to each site every two

class Site {
  readonly #digit: string;
  readonly #guard: PinGuard;
  readonly #clock: ManualClock;
  readonly #live = new Map<string, number>();
  readonly #random: number;
  hits = 0;
  misses = 0;
  risk = 0;
  longestMs = 0;
  turnedAway = 0;

  constructor(digit: string, configured: number, clock: ManualClock) {
    this.#digit = digit;
    this.#clock = clock;
    this.#random = digitsNeeded(configured - 1, LIVE, 1 / SITES);
    this.#guard = new PinGuard({ clock, metrics: new Metrics(), share: 1 / SITES });
    for (let n = 0; n < LIVE; n++) this.#draw(clock.now() - (PIN_MS * n) / LIVE);
  }

  /** PINs run out and are made anew; so many are always live. */
  renew(): void {
    for (const [pin, madeAt] of this.#live) if (this.#clock.now() - madeAt >= PIN_MS) this.#live.delete(pin);
    while (this.#live.size < LIVE) this.#draw(this.#clock.now());
  }

  guess(bot: number): void {
    const outcome = this.#enter(`203.0.${this.#digit}.${bot}`, drawPin(this.#digit, this.#random));
    if (outcome === 'hit') this.hits++;
  }

  /** One in ten mistypes a digit first. @param n the customer's number */
  customer(n: number): void {
    const address = `10.${this.#digit}.${n >> 8}.${n & 255}`;
    const [pin = ''] = [...this.#live.keys()].slice(randomInt(this.#live.size));
    if (n % 10 === 0) this.#enter(address, `${pin.slice(0, -1)}${(Number(pin.at(-1)) + 1) % 10}`);
    if (this.#enter(address, pin) !== 'hit') this.turnedAway++;
  }

  #enter(address: string, pin: string): 'hit' | 'miss' | 'limited' {
    const risk = this.#live.size / 10 ** this.#random;
    try {
      const admission = this.#guard.admit(address, risk);
      const isHit = this.#live.delete(pin);
      admission.settle(isHit);
      if (address.startsWith('10.')) this.longestMs = Math.max(this.longestMs, admission.waitMs);
      if (isHit) return 'hit';
      this.misses++;
      this.risk += risk;
      return 'miss';
    } catch {
      return 'limited'; // comes again a minute later
    }
  }

  #draw(at: number): void {
    this.#live.set(drawPin(this.#digit, this.#random), at);
  }
}

for (const configured of [9, 6]) {
  test(`D-05 a day of guessing over six sites, ${configured} digits set: no hit, and customers get in`, t => {
    const clock = new ManualClock();
    const sites = Array.from({ length: SITES }, (_, n) => new Site(String(n + 1), configured, clock));
    for (let step = 0; step < DAY_MS / STEP_MS; step++) {
      for (const site of sites) {
        site.renew();
        for (let bot = 0; bot < BOTS; bot++) site.guess(bot);
        if (step % 2 === 0) site.customer(step / 2);
      }
      clock.advance(STEP_MS);
    }
    const risk = sites.reduce((sum, site) => sum + site.risk, 0);
    t.true(risk <= DAILY_RISK, `expected hits of the day: ${risk}`);
    t.true(
      sites.every(site => site.misses > 500),
      'the bots were let try: slower, not stopped',
    );
    t.is(
      sites.reduce((sum, site) => sum + site.hits, 0),
      0,
    );
    t.is(
      sites.reduce((sum, site) => sum + site.turnedAway, 0),
      0,
    );
    t.true(Math.max(...sites.map(site => site.longestMs)) < MAX_HELD_MS);
    t.log(`misses let in: ${sites.map(site => site.misses).join(' ')}; expected hits ${risk.toExponential(2)}`);
  });
}

test('D-05 the whole way: a guesser is held up, the customer beside him gets in at once', async t => {
  const at = await openSessions();
  const owner = technician();
  const { id } = await at.sessions.create(owner, { groupId: ROOT_GROUP_ID });
  const { pin } = await at.entries.makePin(id, owner);
  const wrong = `${pin.slice(0, 8)}${(Number(pin.at(-1)) + 1) % 10}`;
  const outcomes: string[] = [];
  const guesses = Array.from({ length: 50 }, () =>
    at.entries.enterByPin(wrong, '203.0.113.5').catch(error => outcomes.push(error.code)),
  );
  const { sessionId } = await at.entries.enterByPin(pin, '198.51.100.7');
  t.is(sessionId, id);
  at.clock.advance(MAX_HELD_MS);
  await Promise.all(guesses);
  t.deepEqual([...new Set(outcomes)].sort(), ['entry.refused', 'pin.limited']);
  t.true(outcomes.filter(code => code === 'entry.refused').length <= 8);
  await at.close();
});

test('D-05 an answer never tells whether a PIN was unknown, used, void or too old', async t => {
  const at = await openSessions();
  const owner = technician();
  const made = async () => {
    const { id } = await at.sessions.create(owner, { groupId: ROOT_GROUP_ID });
    return { id, ...(await at.entries.makePin(id, owner)) };
  };
  const [used, old, ended] = [await made(), await made(), await made()];
  await at.entries.enterByPin(used.pin, '198.51.100.1');
  await at.sessions.end(ended.id, owner, 'not needed');
  const answers: string[] = [];
  const ask = async (pin: string, n: number) => {
    const error = await t.throwsAsync(at.entries.enterByPin(pin, `198.51.100.${n}`));
    answers.push(JSON.stringify({ ...error, message: error.message }));
  };
  await ask(used.pin, 2);
  await ask(ended.pin, 3);
  await ask('000000000', 4);
  at.clock.advance(PIN_MS);
  await ask(old.pin, 5);
  t.is(new Set(answers).size, 1);
  await at.close();
});
