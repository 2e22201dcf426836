// The directory's own test, with what is typed: in threads of its own, and within a minute over all servers.
import type { DirectoryConfig } from '../../config.ts';
import { ApplianceError } from '../../errors.ts';
import type { DirectoryStep } from '../../identity/directory.ts';
import { DirectoryThreads } from '../../identity/directory-threads.ts';
import { Metrics } from '../../metrics.ts';

const DEADLINE_MS = 60_000;

/**
 * @param password in place of the one in the file
 * @throws ApplianceError `directory.test-late`, `directory.password-file`, `directory.authorities-file`
 */
export async function tryDirectory(config: DirectoryConfig, password?: string): Promise<readonly DirectoryStep[]> {
  const directory = new DirectoryThreads(config, new Metrics(), password);
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(tooLate()), DEADLINE_MS);
  try {
    return await Promise.race([directory.test(), late]);
  } finally {
    clearTimeout(timer);
    await directory.close();
  }
}

function tooLate(): ApplianceError {
  return new ApplianceError('unavailable', 'directory.test-late', 'the test was not done within a minute', {
    hint: 'Try fewer servers at a time, or give them less time to answer.',
  });
}
