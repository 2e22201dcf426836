// One look at the appliance: facts only; what they mean is for `rules.ts`. What can't be looked at is said with its reason, and
// never keeps the rest from being seen.
import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { access, constants, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { RetentionRun } from '../../audit/retention.ts';
import { describeError } from '../../errors.ts';
import type { Idp } from '../../identity/saml-idp.ts';
import type { SessionState } from '../../permissions/decision.ts';
import { PUBLIC_FOLDER } from '../../pki/key-files.ts';
import type { FailedLogins } from './log-follow.ts';
import type { ProcessFacts } from './processes.ts';

export interface ProcessReading {
  readonly name: string;
  /** Undefined where the system doesn't show it. */
  readonly facts: ProcessFacts | undefined;
  /** For how long it has not answered; 0 while it does. */
  readonly silentMs: number;
  /** Whether it has answered since this portal runs. */
  readonly isHeard: boolean;
  /** Of one core, since the look before. */
  readonly processorShare: number;
}

export interface DiskReading {
  readonly name: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Why it can't be looked at or written to; empty when it can. */
  readonly fault: string;
}

export interface CertificateReading {
  /** Of its file: `server`, `ca`, `code-signing`, `web-…`. */
  readonly name: string;
  /** ms UTC */
  readonly endsAt: number;
  /** Why it can't be read; empty when it can. */
  readonly fault: string;
}

export interface IdpReading {
  readonly id: string;
  readonly name: string;
  /** Of the one of its certificates that is good the longest; ms UTC. */
  readonly endsAt: number;
}

export interface DirectoryReading {
  /** What it last failed with; empty while it answers. */
  readonly fault: string;
  /** Since when, ms UTC. */
  readonly since: number;
  /** What the last timed sync failed with; empty where it did not. */
  readonly syncFault: string;
}

export interface PostReading {
  readonly waiting: number;
  readonly givenUp: number;
  readonly since: number | null;
  readonly error: string;
}

export interface BackupReading {
  readonly last: { readonly at: number; readonly verifiedAt: number } | undefined;
  readonly everyHours: number;
  /** Code of what the last one failed with; empty when it did not. */
  readonly fault: string;
}

export interface RestoreReading {
  readonly endedAt: number;
  /** Its name; null where a restore was undone. */
  readonly backup: string | null;
  readonly fault: { readonly code: string } | null;
}

export interface Reading {
  /** ms UTC */
  readonly at: number;
  /** Since when this portal runs, ms. */
  readonly upMs: number;
  readonly sessions: ReadonlyMap<SessionState, number>;
  readonly pins: number;
  /** Sessions with control that must be recorded and are not. */
  readonly unrecorded: number;
  /** Signed in, by what each has said of himself. */
  readonly technicians: { readonly available: number; readonly busy: number; readonly away: number };
  readonly relays: number;
  /** Since this portal runs. */
  readonly relayedBytes: number;
  readonly processes: readonly ProcessReading[];
  readonly disks: readonly DiskReading[];
  readonly certificates: readonly CertificateReading[];
  /** Of identity providers that are on. */
  readonly idps: readonly IdpReading[];
  /** Null where none is set. */
  readonly directory: DirectoryReading | null;
  readonly posts: PostReading;
  readonly backup: BackupReading;
  /** The last restore; null before the first. */
  readonly restore: RestoreReading | null;
  readonly failedLogins: FailedLogins;
  readonly retention: RetentionRun | undefined;
  /** What is wrong with the log; empty when nothing is known to be. */
  readonly logFault: string;
  /** `fault` is null until the helper was asked. */
  readonly share: { readonly isThere: boolean; readonly fault: string | null };
}

/** What can't be read as one has ended: nobody signs in by it. */
export function readIdps(idps: readonly Pick<Idp, 'id' | 'name' | 'isOn' | 'certificates'>[]): IdpReading[] {
  return idps
    .filter(({ isOn }) => isOn)
    .map(({ id, name, certificates }) => ({ id, name, endsAt: Math.max(0, ...certificates.map(endOf)) }));
}

function endOf(certificate: string): number {
  try {
    return new X509Certificate(Buffer.from(certificate, 'base64')).validToDate.getTime();
  } catch {
    return 0;
  }
}

/** One row for each file system: two folders on one disk fill it together. */
export async function readDisks(folders: Readonly<Record<string, string>>): Promise<DiskReading[]> {
  const found = new Map<string | number, DiskReading>();
  for (const [name, folder] of Object.entries(folders)) {
    try {
      const { dev } = await stat(folder);
      const { bavail, blocks, bsize } = await statfs(folder);
      await access(folder, constants.W_OK);
      const known = found.get(dev);
      const both = known === undefined ? name : `${known.name}, ${name}`;
      found.set(dev, { name: both, freeBytes: bavail * bsize, totalBytes: blocks * bsize, fault: '' });
    } catch (error) {
      found.set(name, { name, freeBytes: 0, totalBytes: 0, fault: describeError(error) });
    }
  }
  return [...found.values()];
}

/** Of all certificates in `public/`, the soonest end first. */
export function readCertificates(dataFolder: string): CertificateReading[] {
  const folder = join(dataFolder, PUBLIC_FOLDER);
  const files = readdirSync(folder).filter(file => file.endsWith('.crt'));
  const found = files.map(file => {
    const name = file.slice(0, -'.crt'.length);
    try {
      return { name, endsAt: new X509Certificate(readFileSync(join(folder, file))).validToDate.getTime(), fault: '' };
    } catch (error) {
      return { name, endsAt: 0, fault: describeError(error) };
    }
  });
  return found.sort((a, b) => a.endsAt - b.endsAt);
}
