// verify-log --log FILE --key FILE [--heads FILE]: checks an exported log. Needs nothing of the appliance.
// FILE of --heads: lines `SEQ HASH`, as syslog or a customer's report gave them. Exit 0 when the log holds, 1 when not.
import { createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { type KeptHead, LogVerifier } from '../audit/verify.ts';
import { ApplianceError, describeError } from '../errors.ts';

const USAGE = 'usage: verify-log --log EXPORT.jsonl --key log-head.pub [--heads KEPT-HEADS.txt]';

async function run(): Promise<number> {
  const { values } = parseArgs({
    options: { log: { type: 'string' }, key: { type: 'string' }, heads: { type: 'string' } },
  });
  if (values.log === undefined || values.key === undefined) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const verifier = new LogVerifier(readFileSync(values.key, 'utf8'), values.heads ? readHeads(values.heads) : []);
  for await (const line of createInterface({ input: createReadStream(values.log) })) verifier.line(line);
  const verdict = verifier.finish();
  for (const { seq, code, what } of verdict.problems) process.stdout.write(`${seq ?? '-'} ${code}: ${what}\n`);
  const { entries, firstSeq, lastSeq, signedSeq, start } = verdict;
  process.stdout.write(`${JSON.stringify({ ok: verdict.ok, entries, firstSeq, lastSeq, signedSeq, start })}\n`);
  return verdict.ok ? 0 : 1;
}

function readHeads(path: string): KeptHead[] {
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
  return lines.map(line => {
    const [, seq, hash] = /^(\d{1,15}) ([A-Za-z0-9_-]{43})$/.exec(line) ?? [];
    if (seq === undefined || hash === undefined) {
      throw new ApplianceError('malformed', 'verify-log.heads', `not "SEQ HASH": ${line.slice(0, 80)}`);
    }
    return { seq: Number(seq), hash };
  });
}

try {
  process.exitCode = await run();
} catch (error) {
  process.stderr.write(`${describeError(error)}\n${USAGE}\n`);
  process.exitCode = 2;
}
