// What pm2 is told: one entry per process of the appliance. pm2 runs unmodified and on its own; its code is never loaded
// into ours (AGPL-3.0), so each entry starts the pinned runtime itself (`interpreter: none`) instead of pm2's wrapper.
import { join } from 'node:path';
import type { ApplianceConfig } from '../appliance/config.ts';
import { MARK } from './marked-processes.ts';

/**
 * What a relay reads is garbage as soon as it is written. With V8's usual young generation some 100 MB of it pile up between
 * two collections and set off full ones, a third of the gateway's processor time; a small one keeps them away.
 */
export const GATEWAY_FLAGS = ['--max-semi-space-size=4'] as const; // MiB

export interface Ecosystem {
  readonly apps: readonly Readonly<Record<string, unknown>>[];
}

export interface EcosystemParts {
  /** The checkout. */
  readonly root: string;
  /** The pinned runtime. */
  readonly node: string;
  readonly dataFolder: string;
  readonly config: ApplianceConfig;
  /** What the portal reads of the demo's desktop, with `--demo`. */
  readonly demoFile?: string | undefined;
  /** Of the helper that runs as root and keeps the share's accounts, where there is one. */
  readonly helperSocket?: string | undefined;
}

export function describeEcosystem({
  root,
  node,
  dataFolder,
  config,
  demoFile,
  helperSocket,
}: EcosystemParts): Ecosystem {
  const app = (name: string, bin: string, args: readonly string[] = [], flags: readonly string[] = []) => ({
    name,
    script: node,
    interpreter: 'none',
    args: [...flags, join(root, 'appliance', 'bin', `${bin}.ts`), '--data', dataFolder, ...args],
    cwd: root,
    exec_mode: 'fork',
    wait_ready: true, // each says when it serves
    listen_timeout: 30_000,
    kill_timeout: 3000,
    exp_backoff_restart_delay: 100, // ms, growing to 15 s, and back after 30 s of quiet
    max_restarts: 1_000_000, // it never gives up
    out_file: join(dataFolder, 'log', `${name}.log`),
    error_file: join(dataFolder, 'log', `${name}.log`),
    merge_logs: true,
    pmx: false,
    vizion: false,
    env: { [MARK]: dataFolder, NODE_ENV: 'production', UV_THREADPOOL_SIZE: '8' },
  });
  const gateways = config.gateways.map(({ id }) => app(id, 'gateway', ['--id', id], GATEWAY_FLAGS));
  const flag = (name: string, value: string | undefined) => (value === undefined ? [] : [name, value]);
  const portal = app('portal', 'portal', [...flag('--demo', demoFile), ...flag('--helper', helperSocket)]);
  return { apps: [app('signer', 'signer'), portal, ...gateways, app('recorder', 'recorder'), app('jobs', 'jobs')] };
}
