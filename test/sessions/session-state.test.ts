import test from 'ava';
import { type SessionState, sessionStates } from '../../appliance/permissions/decision.ts';
import {
  deadlineEvent,
  deadlineOf,
  isOver,
  nextState,
  type SessionEvent,
  sessionEvents,
} from '../../appliance/sessions/session-state.ts';

// Written down a second time and by hand; `·` can't happen.
const table = `
              applet-here   applet-lost   pick-up  hold     resume  transfer      take-back  queue    reboot     time-out   end
connecting    waiting       ·             ·        ·        ·       ·             ·          ·        ·          timed-out  closed
waiting       ·             connecting    active   ·        ·       ·             ·          ·        ·          timed-out  closed
active        ·             reconnecting  ·        on-hold  ·       transferring  ·          waiting  rebooting  ·          closed
on-hold       on-hold       on-hold       ·        ·        active  transferring  ·          waiting  ·          timed-out  closed
transferring  transferring  transferring  active   ·        ·       ·             active     ·        ·          ·          closed
rebooting     active        rebooting     ·        ·        ·       ·             ·          ·        ·          timed-out  closed
reconnecting  active        ·             ·        ·        ·       ·             ·          ·        ·          timed-out  closed
timed-out     ·             ·             ·        ·        ·       ·             ·          ·        ·          ·          ·
closed        ·             ·             ·        ·        ·       ·             ·          ·        ·          ·          ·
`;
const [head = [], ...rows] = table
  .trim()
  .split('\n')
  .map(line => line.trim().split(/\s+/));

test('E-02 the table of the test has every state and every event', t => {
  t.deepEqual(head, [...sessionEvents]);
  t.deepEqual(
    rows.map(row => row[0]),
    [...sessionStates],
  );
});

for (const [state, ...nexts] of rows) {
  for (const [at, next] of nexts.entries()) {
    const event = head[at] as SessionEvent;
    test(`E-02 ${state} and ${event}: ${next === '·' ? 'refused' : next}`, t => {
      const act = () => nextState(state as SessionState, event);
      if (next === '·') t.throws(act, { code: 'session.state' });
      else t.true(act() === next);
    });
  }
}

test('E-02 a place in a channel that nobody comes to is free again after half an hour', t => {
  t.is(deadlineOf('connecting', 0, true), 30 * 60_000);
  t.is(deadlineOf('waiting', 0, true), deadlineOf('waiting', 0));
});

test('E-02 only what is over has no way out and no deadline', t => {
  t.deepEqual(sessionStates.filter(isOver), ['timed-out', 'closed']);
  for (const state of sessionStates) {
    const deadline = deadlineOf(state, 1000);
    if (deadline === null) t.true(isOver(state) || state === 'active');
    else t.notThrows(() => nextState(state, deadlineEvent(state)));
  }
});
