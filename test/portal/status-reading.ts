// A look at an appliance that is well; each test says what is not.
import type { Reading } from '../../appliance/portal/status/reading.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;
export const NOW = Date.UTC(2026, 5, 1, 8);
export const MARKS = { diskFreePercent: 10, failedLogins: 50 };
const GIB = 2 ** 30;

export function aReading(change: Partial<Reading> = {}): Reading {
  return {
    at: NOW,
    upMs: 3 * DAY_MS,
    sessions: new Map([['active', 2]]),
    pins: 0,
    unrecorded: 0,
    technicians: { available: 1, busy: 1, away: 0 },
    relays: 2,
    relayedBytes: GIB,
    processes: [aProcess('recorder', 0)],
    disks: [aDisk(60)],
    certificates: [{ name: 'server', endsAt: NOW + 300 * DAY_MS, fault: '' }],
    idps: [{ id: 'acme', name: 'Acme', endsAt: NOW + 300 * DAY_MS }],
    directory: { fault: '', since: 0, syncFault: '' },
    posts: { waiting: 0, givenUp: 0, since: null, error: '' },
    backup: { last: { at: NOW - HOUR_MS, verifiedAt: NOW - HOUR_MS }, everyHours: 24, fault: '' },
    restore: null,
    failedLogins: { day: 3, tenMinutes: 1 },
    retention: { at: NOW - 6 * HOUR_MS, failures: 0 },
    logFault: '',
    share: { isThere: true, fault: '' },
    ...change,
  };
}

export function aProcess(name: string, silentMs: number): Reading['processes'][number] {
  const facts = { name, pid: 7, ageMs: HOUR_MS, residentBytes: 80 * 2 ** 20, processorMs: 9000 };
  return { name, facts: silentMs === 0 ? facts : undefined, isHeard: true, silentMs, processorShare: 0.012 };
}

/** @param percent of 100 GiB that is free */
export function aDisk(percent: number): Reading['disks'][number] {
  return { name: 'Data folder', freeBytes: percent * GIB, totalBytes: 100 * GIB, fault: '' };
}
