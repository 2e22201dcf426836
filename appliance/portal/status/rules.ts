// What a look at the appliance means: each fact with a plain word of whether it is well, what to do where it isn't, and which alerts
// it raises. An alert begins at one mark and ends at a better one, so that what stands at a mark does not raise it again and again.

import type { BackupReading, CertificateReading, DiskReading, IdpReading, ProcessReading, Reading } from './reading.ts';
import { countText, sizeText, spanText } from './words.ts';

export type Verdict = 'good' | 'look' | 'act';
export type AlertKind =
  | 'disk-full'
  | 'certificate-soon'
  | 'certificate-ending'
  | 'backup-old'
  | 'backup-failed'
  | 'process-gone'
  | 'log-damaged'
  | 'login-failures'
  | 'retention-failed'
  | 'share-away'
  | 'unrecorded-control'
  | 'directory-away'
  | 'directory-sync-failed'
  | 'posts-failing';

/** `between`: an alert that is raised stays, one that isn't is not raised. */
export interface Alarm {
  readonly kind: AlertKind;
  readonly state: 'on' | 'between' | 'off';
}

export interface Fact {
  /** Stable: what an alert is about. */
  readonly id: string;
  readonly name: string;
  readonly value: string;
  /** An instant that belongs to the value, ms UTC. */
  readonly at: number | null;
  readonly verdict: Verdict;
  /** What to do; empty where nothing is to be done. */
  readonly advice: string;
  readonly alarms: readonly Alarm[];
}

export interface Section {
  readonly title: string;
  readonly facts: readonly Fact[];
}

export interface Marks {
  /** Of a disk, in per cent. */
  readonly diskFreePercent: number;
  /** In ten minutes. */
  readonly failedLogins: number;
}

const [MINUTE_MS, HOUR_MS, DAY_MS] = [60_000, 3_600_000, 86_400_000];
export const SOON_DAYS = 30;
export const ENDING_DAYS = 7;
export const GONE_MS = MINUTE_MS;
const SILENT_MS = 25_000; // two reports missed
const RETENTION_LATE_MS = 2 * DAY_MS;
const MANY_FAILED_LOGINS = 100;
const DIRECTORY_AWAY_MS = 5 * MINUTE_MS;
const POSTS_FAIL_MS = HOUR_MS;

export function judge(reading: Reading, marks: Marks): Section[] {
  return [
    { title: 'Support', facts: supportFacts(reading) },
    { title: 'Processes', facts: reading.processes.map(processFact) },
    {
      title: 'Disk and recordings',
      facts: [...reading.disks.map(disk => diskFact(disk, marks, reading.upMs)), shareFact(reading)],
    },
    {
      title: 'Backup and log',
      facts: [
        backupFact(reading.backup, reading),
        ...restoreFacts(reading),
        ...[logFact(reading), retentionFact(reading), postsFact(reading)],
      ],
    },
    { title: 'Certificates', facts: reading.certificates.map(one => certificateFact(one, reading.at)) },
    {
      title: 'Signing in',
      facts: [
        loginFact(reading, marks),
        ...directoryFacts(reading),
        ...reading.idps.map(one => idpFact(one, reading.at)),
      ],
    },
  ];
}

/** In front of all others, where the look itself has failed. */
export function unseen(why: string): Section {
  const advice = 'What stands below is of an earlier look. Read log/portal.log in the data folder.';
  return {
    title: 'This page',
    facts: [fact('look', 'The appliance can’t be looked at', why, { verdict: 'act', advice })],
  };
}

function fact(id: string, name: string, value: string, more: Partial<Fact> = {}): Fact {
  return { id, name, value, at: null, verdict: 'good', advice: '', alarms: [], ...more };
}

function alarm(kind: AlertKind, isOn: boolean, isOff = !isOn): Alarm[] {
  return [{ kind, state: isOn ? 'on' : isOff ? 'off' : 'between' }];
}

function supportFacts({ sessions, pins, unrecorded, technicians, relays, relayedBytes, upMs }: Reading): Fact[] {
  const states = [...sessions].filter(([, count]) => count > 0).map(([state, count]) => `${count} ${state}`);
  const waiting = sessions.get('waiting') ?? 0;
  const { available, busy, away } = technicians;
  const isAlone = waiting > 0 && available === 0;
  const alone = 'Customers wait and no technician is available: somebody has to sign in to the console.';
  return [
    fact('sessions', 'Sessions', states.length === 0 ? 'none' : states.join(', ')),
    fact('queue', 'Queue', waiting === 0 ? 'nobody waits' : `${countText(waiting, 'customer')} waiting`, {
      ...(isAlone && { verdict: 'look', advice: alone }),
    }),
    fact('technicians', 'Technicians signed in', `${available} available, ${busy} busy, ${away} away`),
    fact('pins', 'PINs out', String(pins)),
    fact('unrecorded', 'Control without a recording', unrecorded === 0 ? 'none' : countText(unrecorded, 'session'), {
      alarms: alarm('unrecorded-control', unrecorded > 0),
      ...(unrecorded > 0 && { verdict: 'act', advice: 'See The recording share in the help.' }),
    }),
    fact('relayed', 'Relayed', `${sizeText(relayedBytes)} in ${spanText(upMs)}, ${countText(relays, 'session')} now`),
  ];
}

function processFact({ name, facts, isHeard, silentMs, processorShare }: ProcessReading): Fact {
  const isGone = silentMs > GONE_MS;
  const alarms = alarm('process-gone', isGone, isHeard && silentMs < SILENT_MS);
  if (silentMs < SILENT_MS && facts === undefined && !isHeard)
    return fact(name, name, 'not heard of yet', { verdict: 'look', advice: 'It may be starting just now.', alarms });
  if (silentMs < SILENT_MS) return fact(name, name, runningText(facts, silentMs, processorShare), { alarms });
  const advice = `It is started again by itself. If it stays away, read log/${name}.log in the data folder.`;
  const verdict = isGone ? 'act' : 'look';
  return fact(name, name, `no answer for ${spanText(silentMs)}`, { verdict, advice, alarms });
}

function runningText(facts: ProcessReading['facts'], silentMs: number, processorShare: number): string {
  if (facts === undefined) return silentMs === 0 ? 'there' : `last heard of ${spanText(silentMs)} ago`;
  const share = (processorShare * 100).toFixed(1);
  return `${sizeText(facts.residentBytes)} of memory, ${share} % of a core, up for ${spanText(facts.ageMs)}`;
}

function diskFact({ name, freeBytes, totalBytes, fault }: DiskReading, { diskFreePercent }: Marks, upMs: number): Fact {
  const id = `disk-${name}`;
  if (fault !== '') {
    const advice = 'Is it mounted, and may the appliance write to it?';
    const isNew = upMs < GONE_MS; // the recorder makes its folder when it starts
    return fact(id, name, fault, {
      verdict: isNew ? 'look' : 'act',
      advice,
      alarms: alarm('disk-full', !isNew, false),
    });
  }
  const percent = totalBytes === 0 ? 0 : (freeBytes / totalBytes) * 100;
  const isFull = percent < diskFreePercent;
  const value = `${sizeText(freeBytes)} of ${sizeText(totalBytes)} free (${Math.floor(percent)} %)`;
  const alarms = alarm('disk-full', isFull, percent >= diskFreePercent * 1.25);
  if (isFull)
    return fact(id, name, value, {
      verdict: 'act',
      alarms,
      advice: 'Make room: keep fewer backups or recordings, or a larger disk.',
    });
  const isLow = percent < diskFreePercent * 2;
  return fact(id, name, value, {
    alarms,
    ...(isLow && { verdict: 'look', advice: 'It fills up: plan for more room.' }),
  });
}

function shareFact({ share: { isThere, fault } }: Reading): Fact {
  if (!isThere) return fact('share', 'Recording share', 'none; recordings are on the pages only');
  const alarms = alarm('share-away', fault !== null && fault !== '', fault === '');
  if (fault === null || fault === '') return fact('share', 'Recording share', 'kept by its helper', { alarms });
  const advice = 'See whether remote-support-helper.service runs.';
  return fact('share', 'Recording share', fault, { verdict: 'act', advice, alarms });
}

function backupFact({ last, everyHours, fault }: BackupReading, { at: now, upMs }: Reading): Fact {
  const everyMs = everyHours * HOUR_MS;
  const age = last === undefined ? upMs : now - last.at;
  const isOld = age > 2 * everyMs;
  const alarms = [...alarm('backup-old', isOld, age < everyMs + HOUR_MS), ...alarm('backup-failed', fault !== '')];
  const shared = { at: last?.verifiedAt ?? null, alarms };
  const made = last === undefined ? 'none yet' : `${spanText(age)} old, opened again and compared`;
  if (fault !== '') {
    const advice = 'See page Backups, and the code in the help. The older backups were kept.';
    return fact('backup', 'Backup', `the last one failed (${fault})`, { ...shared, verdict: 'act', advice });
  }
  const advice = 'Make one on page Backups; if that works, read log/jobs.log in the data folder.';
  if (isOld) return fact('backup', 'Backup', made, { ...shared, verdict: 'act', advice });
  const isLate = age > everyMs + HOUR_MS;
  return fact('backup', 'Backup', made, { ...shared, ...(isLate && { verdict: 'look', advice }) });
}

/** None before the first one; a failed one is looked at for a week. */
function restoreFacts({ restore, at: now }: Reading): Fact[] {
  if (restore === null) return [];
  const { endedAt: at, backup, fault } = restore;
  const shared = { at };
  if (fault !== null) {
    const advice = 'The store is as it was before. See page Backups of the settings, and the code in the help.';
    const isNew = now - at < 7 * DAY_MS;
    const more = { ...shared, ...(isNew && { verdict: 'look' as const, advice }) };
    return [fact('restore', 'Last restore', `failed (${fault.code})`, more)];
  }
  return [fact('restore', 'Last restore', backup === null ? 'undone' : `from ${backup}`, shared)];
}

function logFact({ logFault }: Reading): Fact {
  const alarms = alarm('log-damaged', logFault !== '');
  if (logFault === '') return fact('log', 'Audit log', 'its newest entries are chained and signed', { alarms });
  const advice =
    'Stop changing anything, make a copy of the data folder, and check an export: see Verifying the log in the help. A master admin then says here that it is dealt with.';
  return fact('log', 'Audit log', logFault, { verdict: 'act', advice, alarms });
}

function retentionFact({ retention, at: now, upMs }: Reading): Fact {
  const failures = retention?.failures ?? 0;
  const isLate = retention === undefined ? upMs > RETENTION_LATE_MS : now - retention.at > RETENTION_LATE_MS;
  const alarms = alarm('retention-failed', failures > 0 || isLate);
  const value =
    retention === undefined ? 'has not run yet' : failures === 0 ? 'done' : `${failures} things could not be done`;
  const shared = { at: retention?.at ?? null, alarms };
  const advice = 'What failed is tried again the next night; log/portal.log in the data folder says why it failed.';
  if (failures > 0 || isLate) return fact('retention', 'Retention', value, { ...shared, verdict: 'act', advice });
  return fact('retention', 'Retention', value, shared);
}

function certificateFact({ name, endsAt, fault }: CertificateReading, now: number): Fact {
  if (fault !== '') {
    const advice = `Put a good one in its place: public/${name}.crt, see Certificates in the help.`;
    const alarms = alarm('certificate-ending', true);
    return fact(`certificate-${name}`, nameOf(name), `can’t be read: ${fault}`, { verdict: 'act', advice, alarms });
  }
  const days = (endsAt - now) / DAY_MS;
  const [isSoon, isEnding] = [days < SOON_DAYS, days < ENDING_DAYS];
  const alarms = [...alarm('certificate-soon', isSoon && !isEnding, !isSoon), ...alarm('certificate-ending', isEnding)];
  const value = endsAt <= now ? 'has ended' : `good for another ${spanText(endsAt - now)}`;
  const verdict = isEnding ? 'act' : isSoon ? 'look' : 'good';
  const advice = isSoon ? adviceFor(name) : '';
  return fact(`certificate-${name}`, nameOf(name), value, { at: endsAt, verdict, advice, alarms });
}

function nameOf(file: string): string {
  const names: Record<string, string> = {
    server: 'The appliance’s own server certificate',
    ca: 'Appliance CA',
    'ca-next': 'Appliance CA, the next one',
    'code-signing': 'Code signing',
  };
  return names[file] ?? `Your certificate ${file}`;
}

function adviceFor(file: string): string {
  if (file === 'server') return 'Restart the appliance: it makes itself a new one.';
  if (file.startsWith('web-'))
    return `Put the next one in its place: public/${file}.crt, see Certificates in the help.`;
  return 'Plan its replacement: computers and customers’ programs trust it by this certificate.';
}

function directoryFacts({ directory, at: now }: Reading): Fact[] {
  if (directory === null) return [];
  const { fault, since, syncFault } = directory;
  const isAway = fault !== '' && now - since >= DIRECTORY_AWAY_MS;
  const alarms = [
    ...alarm('directory-away', isAway, fault === ''),
    ...alarm('directory-sync-failed', syncFault !== ''),
  ];
  if (fault === '' && syncFault !== '') {
    const advice = 'Preview a sync on page Directory shows what it would change; applied there, it is done.';
    return [
      fact('directory', 'Directory', `answers; the last sync failed: ${syncFault}`, { verdict: 'act', advice, alarms }),
    ];
  }
  if (fault === '') return [fact('directory', 'Directory', 'answers', { alarms })];
  const advice = 'Nobody of the directory can sign in. Test on page Directory tells which step fails.';
  const value = `does not answer since ${spanText(now - since)}: ${fault}`;
  return [fact('directory', 'Directory', value, { verdict: isAway ? 'act' : 'look', advice, alarms })];
}

function idpFact({ id, name, endsAt }: IdpReading, now: number): Fact {
  const days = (endsAt - now) / DAY_MS;
  const [isSoon, isEnding] = [days < SOON_DAYS, days < ENDING_DAYS];
  const alarms = [...alarm('certificate-soon', isSoon && !isEnding, !isSoon), ...alarm('certificate-ending', isEnding)];
  const value =
    endsAt <= now ? 'its certificate has ended' : `its certificate is good for another ${spanText(endsAt - now)}`;
  const verdict = isEnding ? 'act' : isSoon ? 'look' : 'good';
  const advice = isSoon
    ? 'Get the provider’s new metadata file and add it on page Single sign-on, before nobody can sign in by it.'
    : '';
  return fact(`idp-${id}`, `Identity provider ${name}`, value, { at: endsAt, verdict, advice, alarms });
}

function postsFact({ posts: { waiting, givenUp, since, error }, at: now }: Reading): Fact {
  const isFailing = givenUp > 0 || (waiting > 0 && since !== null && now - since >= POSTS_FAIL_MS);
  const alarms = alarm('posts-failing', isFailing, givenUp + waiting === 0);
  if (givenUp + waiting === 0) return fact('posts', 'Posts to the CRM', 'none waits', { alarms });
  const value = `${waiting} wait to be posted again, ${givenUp} given up in a week (${error})`;
  const advice = 'See page Session posts: what failed is listed there, and can be sent again.';
  return fact('posts', 'Posts to the CRM', value, { verdict: isFailing ? 'act' : 'look', advice, alarms });
}

function loginFact({ failedLogins: { day, tenMinutes } }: Reading, { failedLogins }: Marks): Fact {
  const isFlood = tenMinutes >= failedLogins;
  const alarms = alarm('login-failures', isFlood, tenMinutes < failedLogins / 2);
  const value = `${day} in the last day, ${tenMinutes} in the last ten minutes`;
  const advice = 'See login.refused in the audit log: somebody may be guessing passwords, or a program has an old one.';
  if (isFlood) return fact('logins', 'Failed logins', value, { verdict: 'act', advice, alarms });
  return fact('logins', 'Failed logins', value, {
    alarms,
    ...(day >= MANY_FAILED_LOGINS && { verdict: 'look', advice }),
  });
}
