// The appliance's processes as the system sees them (proc(5)): since when each runs, what memory and processor time it takes.
// Which process works on which data folder stands in its arguments, whoever started it.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';

/** USER_HZ: what the kernel counts processor time in, on every architecture Debian has. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;
/** Ended but not collected, dead, stopped by a signal. */
const NOT_RUNNING = ['Z', 'X', 'T'];
const KINDS = ['signer', 'portal', 'gateway', 'recorder', 'jobs'];

export interface ProcessFacts {
  /** `portal`, `gateway-1`. */
  readonly name: string;
  readonly pid: number;
  readonly ageMs: number;
  readonly residentBytes: number;
  /** Processor time since its start. */
  readonly processorMs: number;
}

/** Those that run now. @param proc mounted elsewhere in tests */
export function readProcesses(dataFolder: string, proc = '/proc'): ProcessFacts[] {
  const uptimeMs = Number(readFileSync(join(proc, 'uptime'), 'utf8').split(' ')[0]) * 1000;
  const found = readdirSync(proc)
    .filter(name => /^\d+$/.test(name))
    .map(pid => readProcess(join(proc, pid), Number(pid), dataFolder, uptimeMs));
  return found.filter(one => one !== undefined);
}

function readProcess(folder: string, pid: number, dataFolder: string, uptimeMs: number): ProcessFacts | undefined {
  let [words, stat, memory]: [string[], string, string] = [[], '', ''];
  try {
    words = readFileSync(join(folder, 'cmdline'), 'utf8').split('\0');
    const name = nameOf(words, dataFolder);
    if (name === undefined) return undefined;
    stat = readFileSync(join(folder, 'stat'), 'utf8');
    memory = readFileSync(join(folder, 'statm'), 'utf8');
    // Behind the program's name, which may hold anything: state is the third field, utime 14, stime 15, starttime 22.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [user, system, started] = [fields[11], fields[12], fields[19]].map(Number);
    if (NOT_RUNNING.includes(fields[0] ?? '') || user === undefined || system === undefined || started === undefined)
      return undefined;
    return {
      name,
      pid,
      ageMs: Math.max(0, uptimeMs - (started / TICKS_PER_SECOND) * 1000),
      residentBytes: Number(memory.split(' ')[1]) * PAGE_BYTES,
      processorMs: ((user + system) / TICKS_PER_SECOND) * 1000,
    };
  } catch {
    return undefined; // it ended just now, or the system shows it to its own user only
  }
}

/** @returns undefined for what is no process of the appliance, or of another one */
function nameOf(words: readonly string[], dataFolder: string): string | undefined {
  const script = words.findIndex(word => /(^|\/)appliance\/bin\/[a-z]+\.ts$/.test(word));
  const kind = basename(words[script] ?? '', '.ts');
  if (!KINDS.includes(kind)) return undefined;
  const flag = (name: string) => words[words.indexOf(name, script) + 1];
  if (!words.includes('--data') || resolve(flag('--data') ?? '') !== resolve(dataFolder)) return undefined;
  return kind === 'gateway' && words.includes('--id') ? flag('--id') : kind;
}
