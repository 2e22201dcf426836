// A thread that speaks with the directory: one task at a time. What a library throws from where nobody can catch it ends
// this thread and nothing else.
import { parentPort } from 'node:worker_threads';
import type { DirectoryReply, DirectorySettings, DirectoryTask } from './directory.ts';
import type { OpenLdapClient } from './directory-client.ts';
import { explainFault } from './directory-fault.ts';
import { authenticate, decoy, list, test } from './directory-tasks.ts';

async function run(settings: DirectorySettings, task: DirectoryTask): Promise<unknown> {
  const library: OpenLdapClient =
    settings.library === 'ldapts'
      ? (await import('./directory-ldapts.ts')).openLdapts
      : (await import('./directory-ldapjs.ts')).openLdapjs;
  switch (task.kind) {
    case 'authenticate':
      return authenticate(settings, library, task.loginId, task.password);
    case 'decoy':
      return decoy(settings, library);
    case 'list':
      return list(settings, library);
    case 'test':
      return test(settings, library);
  }
}

parentPort?.on('message', async ({ settings, task }: { settings: DirectorySettings; task: DirectoryTask }) => {
  let reply: DirectoryReply;
  try {
    reply = { ok: true, value: await run(settings, task) };
  } catch (error) {
    const { code, message } = explainFault(error);
    reply = { ok: false, code, message };
  }
  parentPort?.postMessage(reply);
});
