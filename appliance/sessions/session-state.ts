// The states of a support session (E-02) and what moves it from one to the next. Every pair is tested.
//   connecting    made; no applet has claimed it yet
//   waiting       the customer is there and waits in the queue: of his technician, or of a channel
//   active        a technician has picked up
//   on-hold       picked up, set aside; the customer sees that
//   transferring  offered to another technician
//   rebooting     the customer's computer starts again, after a granted reboot
//   reconnecting  the applet was lost while active
// An applet lost while on hold or offered leaves the state as it is: nobody is working with it just then.
import { ApplianceError } from '../errors.ts';
import { type SessionState, sessionStates } from '../permissions/decision.ts';

export const sessionEvents = [
  'applet-here',
  'applet-lost',
  'pick-up',
  'hold',
  'resume',
  'transfer',
  'take-back',
  'queue',
  'reboot',
  'time-out',
  'end',
] as const;
export type SessionEvent = (typeof sessionEvents)[number];

const moves: Record<SessionState, Partial<Record<SessionEvent, SessionState>>> = {
  connecting: { 'applet-here': 'waiting', 'time-out': 'timed-out', end: 'closed' },
  waiting: { 'pick-up': 'active', 'applet-lost': 'connecting', 'time-out': 'timed-out', end: 'closed' },
  active: {
    hold: 'on-hold',
    transfer: 'transferring',
    queue: 'waiting',
    reboot: 'rebooting',
    'applet-lost': 'reconnecting',
    end: 'closed',
  },
  'on-hold': {
    resume: 'active',
    transfer: 'transferring',
    queue: 'waiting',
    'applet-lost': 'on-hold',
    'applet-here': 'on-hold',
    'time-out': 'timed-out',
    end: 'closed',
  },
  transferring: {
    'pick-up': 'active',
    'take-back': 'active',
    'applet-lost': 'transferring',
    'applet-here': 'transferring',
    end: 'closed',
  },
  rebooting: { 'applet-here': 'active', 'applet-lost': 'rebooting', 'time-out': 'timed-out', end: 'closed' },
  reconnecting: { 'applet-here': 'active', 'time-out': 'timed-out', end: 'closed' },
  'timed-out': {},
  closed: {},
};

/** @throws ApplianceError `session.state` when the event can't happen in that state */
export function nextState(state: SessionState, event: SessionEvent): SessionState {
  const next = moves[state][event];
  if (next !== undefined) return next;
  throw new ApplianceError('conflict', 'session.state', `${event} can’t happen while the session is ${state}`);
}

/** Neither rights nor secrets outlive it. */
export function isOver(state: SessionState): boolean {
  return Object.keys(moves[state]).length === 0;
}

/** The states that aren't over. */
export const openStates: readonly SessionState[] = sessionStates.filter(state => !isOver(state));

const MINUTE = 60_000;

/** How long a session may stay in a state, ms; null: as long as it likes. What happens then is `deadlineEvent`. */
const limits: Record<SessionState, number | null> = {
  connecting: 24 * 60 * MINUTE, // a link sent by mail is good for a day; the PIN ends long before
  waiting: 4 * 60 * MINUTE,
  active: null,
  'on-hold': 8 * 60 * MINUTE,
  transferring: 2 * MINUTE, // then it is back with who offered it
  rebooting: 15 * MINUTE, // as long as the applet's ticket is good
  reconnecting: 10 * MINUTE,
  'timed-out': null,
  closed: null,
};

/** Whoever begins at a channel comes at once or never: his place is another's then. */
const QUEUED_CONNECTING_MS = 30 * MINUTE;

/** @param isQueued in a channel, without a technician. @returns ms UTC, or null for no deadline */
export function deadlineOf(state: SessionState, now: number, isQueued = false): number | null {
  const limit = isQueued && state === 'connecting' ? QUEUED_CONNECTING_MS : limits[state];
  return limit === null ? null : now + limit;
}

export function deadlineEvent(state: SessionState): SessionEvent {
  return state === 'transferring' ? 'take-back' : 'time-out';
}
