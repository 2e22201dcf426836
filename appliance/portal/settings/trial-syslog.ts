// The steps of a line for a syslog server, which is sent by the very way alerts go.
import type { SyslogConfig } from '../../config.ts';
import { sendSyslog } from '../status/syslog.ts';
import { runSteps, type TrialStep } from './trial.ts';

const NAMES = { tls: ['Name', 'Connect, TLS', 'Test line'], udp: ['Name', 'Test line'] } as const;

/** @param server as it is shown */
export async function trySyslog(target: SyslogConfig, line: string, server: string): Promise<TrialStep[]> {
  const told: string[] = [];
  const fault = await sendSyslog(target, [line], { step: what => told.push(what) }).catch((error: unknown) => error);
  // It is one exchange: what was told on its way says how far it came.
  const steps = NAMES[target.protocol].map((name, at) => {
    const run = async () => {
      const text = told[at];
      if (text === undefined) throw fault;
      return text;
    };
    return [name, run] as const;
  });
  return runSteps(server, Object.fromEntries(steps));
}
