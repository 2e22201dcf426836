// The appliance's own commands, as packaging runs them.
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../..');

/** Runs one of them on a data folder. @returns its standard output */
export async function runBin(name: string, dataFolder: string, ...args: string[]): Promise<string> {
  const command = [`appliance/bin/${name}.ts`, '--data', dataFolder, ...args];
  return (await promisify(execFile)(process.execPath, command, { cwd: ROOT })).stdout;
}
