// Whether anybody is at the customer's screen, asked of a real X server and a real logind.
import { execFileSync } from 'node:child_process';
import test from 'ava';
import { POLL_MS, watchLockHint } from '../../appliance/applet/presence/lock-hint.ts';
import { watchScreenSaver } from '../../appliance/applet/presence/screen-saver.ts';
import { anySign } from '../../appliance/applet/presence/watch.ts';
import { isSessionAway, watchWindowsSession } from '../../appliance/applet/presence/windows-session.ts';
import { systemClock } from '../../appliance/clock.ts';
import { Logind } from '../support/logind.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Desktop } from './desktop.ts';

const desktop = await Desktop.open();
const logind = await Logind.start();
test.after.always(async () => {
  logind[Symbol.dispose]();
  await desktop[Symbol.asyncDispose]();
});

/** What was told, each waited for in turn. */
function hearing() {
  const told: boolean[] = [];
  let waiting = Promise.withResolvers<void>();
  return {
    told,
    tell: (isAway: boolean) => {
      told.push(isAway);
      waiting.resolve();
    },
    async next(): Promise<boolean | undefined> {
      await waiting.promise;
      waiting = Promise.withResolvers();
      return told.at(-1);
    },
  };
}

function saver(what: 'activate' | 'reset'): void {
  execFileSync('xset', ['s', what], { env: desktop.environment });
}

test.serial('D-06 a screen that was locked, and unlocked, is told as logind has it', async t => {
  const heard = hearing();
  const clock = new ManualClock();
  const stop = watchLockHint({ clock, environment: logind.environment, tell: heard.tell });
  for (const isLocked of [true, false]) {
    logind.lock(isLocked);
    const passing = systemClock.every(20, () => clock.advance(POLL_MS)); // what is being asked already may be from before
    t.is(await heard.next(), isLocked);
    passing();
  }
  stop();
});

test.serial('D-06 a screen that is locked already is told at once', async t => {
  logind.lock(true);
  const heard = hearing();
  const stop = watchLockHint({ clock: new ManualClock(), environment: logind.environment, tell: heard.tell });
  t.true(await heard.next());
  stop();
  logind.lock(false);
});

test('D-06 attack: the number of a desktop’s session is no argument of another kind', t => {
  for (const session of ['', '--help', 'c1 c2', '../c1', 'c'.repeat(65)]) {
    const clock = new ManualClock();
    watchLockHint({ clock, environment: { ...logind.environment, XDG_SESSION_ID: session }, tell: () => t.fail() });
    t.is(clock.timers, 0, session);
  }
});

test.serial('D-06 a screen that goes blank for want of anybody, and comes back, is told', async t => {
  const heard = hearing();
  const stop = watchScreenSaver({ clock: systemClock, environment: desktop.environment, tell: heard.tell });
  saver('activate');
  t.true(await heard.next());
  saver('reset');
  t.false(await heard.next());
  stop();
});

test('D-06 of a display that is not there nothing is told', async t => {
  const stop = watchScreenSaver({ clock: systemClock, environment: { DISPLAY: ':65000' }, tell: () => t.fail() });
  stop();
  t.pass();
});

test('D-06 who is away by two signs is away once, and back when both are gone', t => {
  const told: boolean[] = [];
  const sign = anySign(isAway => told.push(isAway));
  const [locked, blank] = [sign(), sign()];
  for (const say of [() => blank(true), () => locked(true), () => blank(false), () => locked(false)]) say();
  t.deepEqual(told, [true, false]);
});

/** WTSINFOEXW as 64-bit Windows lays it out; what follows is names and times. */
function sessionInfo(state: number, flags: number, level = 1): Buffer {
  const info = Buffer.alloc(232);
  info.writeUInt32LE(level, 0);
  info.writeUInt32LE(3, 8);
  info.writeInt32LE(state, 12);
  info.writeInt32LE(flags, 16);
  return info;
}

const [ACTIVE, DISCONNECTED] = [0, 4];
const [LOCKED, UNLOCKED, UNKNOWN] = [0, 1, -1];

test('D-06 a session of Windows is away when it is locked or another is shown, and nothing is made of what can’t be read', t => {
  t.true(isSessionAway(sessionInfo(ACTIVE, LOCKED)));
  t.true(isSessionAway(sessionInfo(DISCONNECTED, UNLOCKED)));
  t.false(isSessionAway(sessionInfo(ACTIVE, UNLOCKED)));
  t.false(isSessionAway(sessionInfo(ACTIVE, UNKNOWN)));
  for (const info of [
    null,
    Buffer.alloc(0),
    sessionInfo(ACTIVE, LOCKED).subarray(0, 19),
    sessionInfo(ACTIVE, LOCKED, 2),
  ])
    t.is(isSessionAway(info), null);
});

test('D-06 a session of Windows is asked every five seconds, and told when it changes', t => {
  const clock = new ManualClock();
  const told: boolean[] = [];
  let info: Buffer | null = sessionInfo(ACTIVE, UNLOCKED);
  const stop = watchWindowsSession({ clock, read: () => info, tell: isAway => told.push(isAway) });
  const then = (next: Buffer | null) => {
    info = next;
    clock.advance(5000);
  };
  then(sessionInfo(ACTIVE, LOCKED));
  then(sessionInfo(ACTIVE, LOCKED));
  then(null);
  t.deepEqual(told, [true]);
  then(sessionInfo(ACTIVE, UNLOCKED));
  t.deepEqual(told, [true, false]);
  stop();
  t.is(clock.timers, 0);
});
