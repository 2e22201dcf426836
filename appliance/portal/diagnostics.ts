// What IT gives to whoever helps: versions, settings, certificates' dates, the machine, the newest log lines. What is in it is
// named here one by one; nothing of `keys/`, the store or a recording is ever read for it.
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { cpus, freemem, loadavg, release, totalmem, uptime } from 'node:os';
import { join } from 'node:path';
import { utf8Bytes } from '../protocol/bytes.ts';
import type { BundleFile } from './evidence/bundle-stream.ts';
import { readCertificates, readDisks } from './status/reading.ts';

const MAX_LOG_BYTES = 512 * 1024;
const MAX_LOGS = 32;

export interface DiagnosticsParts {
  readonly dataFolder: string;
  readonly recordingFolder: string;
  /** ms UTC. */
  readonly now: number;
  readonly version: string;
  /** `appliance.yaml`. */
  readonly settings: string;
  /** Keys whose change waits for the next start. */
  readonly waiting: readonly string[];
  /** In the Prometheus text format. */
  readonly metrics: string;
}

/** The files of the bundle. */
export async function diagnosticFiles(parts: DiagnosticsParts): Promise<BundleFile[]> {
  const facts = {
    made: new Date(parts.now).toISOString(),
    version: parts.version,
    node: process.version,
    linux: release(),
    cpus: cpus().length,
    load: loadavg(),
    memory: { bytes: totalmem(), freeBytes: freemem() },
    machineUpSeconds: Math.round(uptime()),
    portal: { upSeconds: Math.round(process.uptime()), residentBytes: process.memoryUsage.rss() },
    disks: await readDisks({ data: parts.dataFolder, recordings: parts.recordingFolder }),
    certificates: readCertificates(parts.dataFolder),
    settingsWaiting: parts.waiting,
  };
  return [
    fileOf('facts.json', `${JSON.stringify(facts, null, 2)}\n`),
    fileOf('appliance.yaml', parts.settings),
    fileOf('metrics.txt', parts.metrics),
    ...logsOf(join(parts.dataFolder, 'log')),
  ];
}

function fileOf(name: string, content: string): BundleFile {
  const bytes = utf8Bytes(content);
  return { name, bytes: bytes.length, content: bytes };
}

/** The newest of each process, from the start of a line. */
function logsOf(folder: string): BundleFile[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter(name => /^[a-z0-9.-]+\.log$/.test(name));
  return names
    .sort()
    .slice(0, MAX_LOGS)
    .map(name => fileOf(`log/${name}`, endOf(join(folder, name))));
}

function endOf(path: string): string {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const from = Math.max(0, size - MAX_LOG_BYTES);
    const bytes = Buffer.alloc(size - from);
    const text = bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, from));
    return from === 0 ? text : text.slice(text.indexOf('\n') + 1);
  } finally {
    closeSync(file);
  }
}
