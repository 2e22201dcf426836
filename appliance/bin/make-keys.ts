// Makes every key and certificate that isn't there yet: `node appliance/bin/make-keys.ts --data DIR [--name NAME …]`.
// Names and organisation come from the configuration unless named. Prints one JSON line when it made anything.
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../clock.ts';
import { readConfig } from '../config.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { makeKeys } from '../pki/make-keys.ts';

try {
  const { values } = parseArgs({
    options: {
      data: { type: 'string', default: join(import.meta.dirname, '..', '..', '.data') },
      name: { type: 'string', multiple: true },
      organisation: { type: 'string' },
    },
  });
  const dataFolder = resolve(values.data);
  const isToldAll = values.name !== undefined && values.organisation !== undefined;
  const config = isToldAll ? undefined : readConfig(dataFolder);
  const made = await makeKeys({
    dataFolder,
    names: values.name ?? config?.names ?? [],
    organisation: values.organisation ?? config?.organisation.name ?? '',
    clock: systemClock,
  });
  if (made.length > 0) process.stdout.write(`${JSON.stringify({ made })}\n`);
} catch (error) {
  process.stderr.write(`make-keys: ${describeError(error)}\n`);
  if (error instanceof ApplianceError && error.hint !== '') process.stderr.write(`  ${error.hint}\n`);
  process.exitCode = 1;
}
