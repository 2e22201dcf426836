// settings-account --data DIR: a way into the settings for who has none, say in a data folder from before they had accounts, or when
// the only password is lost. Turns the settings on where they are off, and prints a link that works once, for half an hour. The
// appliance has to run. For whoever may open the socket of the running portal: its own user, and root.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { describeError } from '../errors.ts';
import { callPortal, parseReply } from '../gateway/portal-call.ts';
import { SETTINGS_LINK_PATH } from '../portal/internal.ts';

const USAGE = 'usage: settings-account --data DIR';
const Made = z.object({ name: z.string(), port: z.int(), code: z.string() });
const Refused = z.object({ message: z.string() });

async function run(): Promise<number> {
  const { values } = parseArgs({ options: { data: { type: 'string' } } });
  if (values.data === undefined) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const { status, text } = await callPortal(join(values.data, 'run', 'portal-internal.sock'), {
    method: 'POST',
    path: SETTINGS_LINK_PATH,
    body: '{}',
    mostAnswerBytes: 4096,
    patienceMs: 10_000,
  });
  if (status !== 200) {
    process.stderr.write(`${Refused.parse(parseReply(text)).message}\n`);
    return 1;
  }
  const { name, port, code } = Made.parse(parseReply(text));
  process.stdout.write(`https://${name}:${port}/link#${code}\n`);
  return 0;
}

try {
  process.exitCode = await run();
} catch (error) {
  process.stderr.write(`${describeError(error)}\n${USAGE}\n`);
  process.exitCode = 2;
}
