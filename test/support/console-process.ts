// A program: a technician's console without its page, as a process that can be killed. It picks a session up, or opens the one it
// is told of, asks for picture and control, tells how the recording stands, and ends the session when it is told to.
//   console-process.ts '{"url": "https://localhost:8443", "port": 8443, "ca": path, "cookie": …, "sessionId": … | null}'
import { readFileSync } from 'node:fs';
import type { TechnicianSession } from '../../appliance/console/technician-session.ts';
import { askFor } from './allow.ts';
import { ask } from './appliance.ts';
import { CONTROL, isWell, MemoryViewer, VIEWING } from './recorded-session.ts';
import { Technician } from './technician.ts';

export interface ConsoleTask {
  readonly url: string;
  readonly port: number;
  readonly ca: string;
  readonly cookie: string;
  /** Null: one is made. */
  readonly sessionId: string | null;
}

export type FromConsole =
  | { readonly type: 'made'; readonly id: string; readonly pin: string }
  | { readonly type: 'recording'; readonly isWell: boolean }
  | { readonly type: 'ended' };

const task: ConsoleTask = JSON.parse(process.argv[2] ?? '{}');
const at = { port: task.port, ca: readFileSync(task.ca) };
const appliance = { url: task.url, ca: at.ca, fetch: ask.bind(null, at) };
const technician = await Technician.with(appliance, task.cookie);
technician.makeViewer = async (channel, listener) => new MemoryViewer(channel, listener);
const session = task.sessionId === null ? await pickUpNew() : await open(task.sessionId);
await technician.untilThat(() => (session.link.phase === 'open' ? true : undefined));
for (const action of [VIEWING, CONTROL]) {
  await askFor(action, { technician, session });
  await technician.untilThat(() => session.requests.grantOf(action) ?? undefined);
}
process.on('message', async () => {
  await session.stopAll();
  await technician.api.end(session.id, 'solved');
  say({ type: 'ended' });
});
process.on('disconnect', () => process.exit());

let wasWell = false;
await technician.untilThat(() => {
  const now = isWell(session);
  if (now !== wasWell) say({ type: 'recording', isWell: now });
  wasWell = now;
  return undefined; // up to the end of this process
});

async function pickUpNew(): Promise<TechnicianSession> {
  const { session: made, pin } = await technician.make();
  say({ type: 'made', id: made.id, pin });
  await technician.until(made.id, ({ state }) => state === 'waiting');
  return technician.pickUp(made.id);
}

async function open(id: string): Promise<TechnicianSession> {
  return technician.open((await technician.api.detail(id)).session);
}

function say(message: FromConsole): void {
  process.send?.(message);
}
