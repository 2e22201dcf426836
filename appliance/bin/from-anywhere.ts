// from-anywhere --data DIR --member LOGIN-ID: for who is locked out by an allow list, say because the organisation's own
// network changed (C-06), or by strangers who type wrong passwords for him (C-07). Lifts his lock, empties his own list, and for a technician those of his group and the groups above it; in the log
// the appliance did it. For whoever may open the socket of the running portal: its own user, and root.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { describeError } from '../errors.ts';
import { callPortal, parseReply } from '../gateway/portal-call.ts';
import { FROM_ANYWHERE_PATH } from '../portal/internal.ts';

const USAGE = 'usage: from-anywhere --data DIR --member LOGIN-ID';
const Emptied = z.object({ emptied: z.int(), isUnlocked: z.boolean() });
const Refused = z.object({ message: z.string() });

async function run(): Promise<number> {
  const { values } = parseArgs({ options: { data: { type: 'string' }, member: { type: 'string' } } });
  if (values.data === undefined || values.member === undefined) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const { status, text } = await callPortal(join(values.data, 'run', 'portal-internal.sock'), {
    method: 'POST',
    path: FROM_ANYWHERE_PATH,
    body: JSON.stringify({ loginId: values.member }),
    mostAnswerBytes: 4096,
    patienceMs: 10_000,
  });
  if (status !== 200) {
    process.stderr.write(`${Refused.parse(parseReply(text)).message}\n`);
    return 1;
  }
  const { emptied, isUnlocked } = Emptied.parse(parseReply(text));
  const lifted = isUnlocked ? ', the lock lifted' : '';
  process.stdout.write(`${emptied} allow lists emptied${lifted}; ${values.member} may sign in from anywhere\n`);
  return 0;
}

try {
  process.exitCode = await run();
} catch (error) {
  process.stderr.write(`${describeError(error)}\n${USAGE}\n`);
  process.exitCode = 2;
}
