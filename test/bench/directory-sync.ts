// A first sync of 10,000 people from a real slapd into a real store, and what it costs (C-05): time from the first question
// to the last account, and how far the memory of the process, threads included, rises above where it stood.
import { readFileSync } from 'node:fs';
import { openTestIdentity } from '../identity/open-identity.ts';
import { type Benches, type BenchLine, figure } from '../support/bench-line.ts';
import { groupDn, Slapd } from '../support/slapd.ts';

const PEOPLE = 10_000;
const GROUPS = 20;
const WATCH_EVERY_MS = 50;

async function sync(library: 'ldapjs' | 'ldapts'): Promise<BenchLine[]> {
  const people = Array.from({ length: PEOPLE }, (_, n) => ({ cn: `Person ${n}`, mail: `person-${n}@example.com` }));
  const parts = Array.from({ length: GROUPS }, (_, part) => {
    const members = people.filter((_one, n) => n % GROUPS === part).map(({ cn }) => cn);
    return [`part-${part}`, members] as const;
  });
  const groups = { support: parts.map(([name]) => `@${name}`), ...Object.fromEntries(parts) };
  await using slapd = await Slapd.start({ people, groups });
  const mapping = [{ group: groupDn('support'), roles: ['technician' as const], technicianGroup: 'Everyone' }];
  const at = await openTestIdentity({ directory: slapd.config({ library, mapping, timeoutSeconds: 30 }) });
  const { directory } = at.identity;
  if (directory === null) throw new Error('there is a directory');
  const base = residentMib();
  let peak = base;
  const watch = setInterval(() => {
    peak = Math.max(peak, residentMib());
  }, WATCH_EVERY_MS);
  const startedAt = performance.now();
  const plan = await directory.preview(at.asRoot);
  const seenAt = performance.now();
  const { counts } = await directory.apply(at.asRoot, plan.digest);
  const seconds = (performance.now() - startedAt) / 1000;
  clearInterval(watch);
  peak = Math.max(peak, residentMib());
  if (counts.create !== PEOPLE || (await at.identity.members.count()) !== PEOPLE + 1)
    throw new Error('some are missing');
  const againAt = performance.now();
  const again = await directory.preview(at.asRoot);
  if (again.counts.unchanged !== PEOPLE) throw new Error('a second sync has nothing to do');
  const againSeconds = (performance.now() - againAt) / 1000;
  await at.close();
  return [
    figure(`directory-sync-${library}`, seconds, 's, preview and apply of 10,000 new members', 60),
    figure(`directory-sync-preview-${library}`, (seenAt - startedAt) / 1000, 's', 60),
    figure(`directory-sync-again-${library}`, againSeconds, 's, preview with nothing to do', 60),
    figure(`directory-sync-memory-${library}`, peak - base, 'MiB above base', 300),
  ];
}

function residentMib(): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kib) / 1024;
}

export const benches: Benches = {
  'directory-sync-ldapjs': () => sync('ldapjs'),
  'directory-sync-ldapts': () => sync('ldapts'),
};
