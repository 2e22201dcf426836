// verify-bundle BUNDLE.zip --key FILE: checks the evidence bundle of a session. Needs nothing of the appliance.
// FILE is the appliance's manifest.pub, got elsewhere; --fingerprint HEX does as well. Exit 0 when everything holds, 1 when not.
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { nodeEvidenceCrypto } from '../audit/evidence-crypto.ts';
import { describeError } from '../errors.ts';
import { checkEvidence, trustedFingerprint } from '../protocol/evidence-check.ts';
import type { ByteSource } from '../protocol/zip.ts';

const USAGE = 'usage: verify-bundle BUNDLE.zip --key manifest.pub | --fingerprint HEX';

async function run(): Promise<number> {
  const text = { type: 'string' } as const;
  const { values, positionals } = parseArgs({ options: { key: text, fingerprint: text }, allowPositionals: true });
  const [path] = positionals;
  const given = values.key === undefined ? values.fingerprint : await readFile(values.key, 'utf8');
  const trusted = given && trustedFingerprint(nodeEvidenceCrypto, given);
  if (path === undefined || positionals.length > 1 || !trusted) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const verdict = await checkEvidence(sourceOf(file, size), { crypto: nodeEvidenceCrypto, trusted });
    for (const { where, what } of verdict.problems) process.stdout.write(`WRONG ${where}: ${what}\n`);
    for (const fact of verdict.facts) process.stdout.write(`holds ${fact}\n`);
    for (const note of verdict.notes) process.stdout.write(`note  ${note}\n`);
    const end = verdict.holds ? 'Everything holds' : 'This bundle does not hold';
    process.stdout.write(`${end}; you trusted the key ${trusted}\n`);
    return verdict.holds ? 0 : 1;
  } finally {
    await file.close();
  }
}

function sourceOf(file: FileHandle, size: number): ByteSource {
  return {
    size,
    read: async (offset, length) => {
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length; ) {
        const { bytesRead } = await file.read(bytes, at, length - at, offset + at);
        if (bytesRead === 0) throw new RangeError('the file is shorter than it was');
        at += bytesRead;
      }
      return bytes;
    },
  };
}

try {
  process.exitCode = await run();
} catch (error) {
  process.stderr.write(`${describeError(error)}\n${USAGE}\n`);
  process.exitCode = 2;
}
