// What runs here, what ran before, and what of the system waits to be updated. Nothing is fetched: the system's lists are read as
// they are, and an update is made on the machine itself.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import type { AuditLog } from '../audit/audit.ts';
import { applianceActor } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import type { Store } from '../store/store.ts';
import { listReleases, noteRelease, type ReleaseRun, schemaOf } from './settings/release-store.ts';

const APT_MS = 20_000;
const MAX_APT_BYTES = 4 * 1024 * 1024;
const REBOOT_FLAG = '/run/reboot-required'; // written by Debian's packages whose update holds after a reboot
/** `Inst openssl [3.0.1] (3.0.2 Debian-Security:13/stable-security [amd64])` */
const SIMULATED = /^Inst (\S+) (?:\[(\S+)\] )?\((\S+) ([^)[]*)/;

export interface WaitingPackage {
  readonly name: string;
  /** Empty for one that comes along new. */
  readonly from: string;
  readonly to: string;
  readonly isSecurity: boolean;
}

export interface UpdatesParts {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  /** Of package.json. */
  readonly version: string;
  /** Standard output of `apt-get --simulate upgrade`. @throws where there is no apt */
  readonly simulate?: () => Promise<string>;
  readonly rebootFlag?: string;
}

export interface Updates {
  readonly version: string;
  /** Newest first; the one that runs is among them. */
  readonly releases: readonly ReleaseRun[];
  readonly schema: string;
  /** null where the system can't say. */
  readonly waiting: readonly WaitingPackage[] | null;
  readonly needsReboot: boolean;
}

export class UpdatesDesk {
  readonly #parts: UpdatesParts;

  constructor(parts: UpdatesParts) {
    this.#parts = parts;
  }

  /** At each start; the first one of a release is logged. */
  async noteStart(): Promise<void> {
    const { store, audit, clock, version } = this.#parts;
    await store.core.transaction(async tx => {
      const [before] = await listReleases(tx);
      if (!(await noteRelease(tx, { version, startedAt: clock.now() }))) return;
      const detail = { version, before: before?.version ?? null, schema: await schemaOf(tx) };
      await audit.append(tx, { event: 'appliance.release-started', actor: applianceActor, detail });
    });
  }

  async look(): Promise<Updates> {
    const { store, version, simulate = simulateUpgrade, rebootFlag = REBOOT_FLAG } = this.#parts;
    const { read } = store.core;
    const waiting = await simulate().then(parseSimulated, () => null);
    const releases = await listReleases(read);
    return { version, releases, schema: await schemaOf(read), waiting, needsReboot: existsSync(rebootFlag) };
  }
}

export function parseSimulated(text: string): WaitingPackage[] {
  return text.split('\n').flatMap(line => {
    const [, name, from = '', to, origin = ''] = SIMULATED.exec(line) ?? [];
    return name === undefined || to === undefined ? [] : [{ name, from, to, isSecurity: /security/i.test(origin) }];
  });
}

/** Needs no root, takes no lock and reads the lists that are there. */
async function simulateUpgrade(): Promise<string> {
  const args = ['--simulate', '--quiet', '-o', 'Debug::NoLocking=true', 'upgrade'];
  const options = { timeout: APT_MS, maxBuffer: MAX_APT_BYTES, env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' } };
  return (await promisify(execFile)('apt-get', args, options)).stdout;
}
