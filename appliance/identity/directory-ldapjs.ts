// ldapjs as our LDAP client. It is abandoned, and throws on answers it doesn't know from where nobody can catch it: it runs
// in a thread that may die (`directory-threads.ts`), over a stream that is ours (`directory-wire.ts`).
import type { ConnectionOptions } from 'node:tls';
import ldapjs from 'ldapjs';
import {
  INVALID_CREDENTIALS,
  type LdapClient,
  type LdapEntry,
  type LdapQuery,
  PAGE_ENTRIES,
} from './directory-client.ts';
import type { ServerAddress } from './directory-wire.ts';

export async function openLdapjs({ host, port }: ServerAddress, tlsOptions: ConnectionOptions): Promise<LdapClient> {
  // Always ldaps: StartTLS has happened on the wire already, if it was asked for.
  const client = ldapjs.createClient({ url: `ldaps://${host.includes(':') ? `[${host}]` : host}:${port}`, tlsOptions });
  const { promise: failed, reject } = Promise.withResolvers<never>();
  failed.catch(() => undefined);
  for (const event of ['error', 'connectError', 'setupError']) client.on(event, reject);
  return {
    bind: (dn, password) =>
      Promise.race([
        failed,
        new Promise<boolean>((done, refuse) => {
          client.bind(dn, password, error => {
            if (error === null) done(true);
            else if ((error as { code?: unknown }).code === INVALID_CREDENTIALS) done(false);
            else refuse(error);
          });
        }),
      ]),
    search: query => search(client, query, failed),
    [Symbol.dispose]: () => client.destroy(),
  };
}

type Client = ReturnType<typeof ldapjs.createClient>;

async function* search(client: Client, query: LdapQuery, failed: Promise<never>): AsyncIterable<readonly LdapEntry[]> {
  const { AndFilter, EqualityFilter } = ldapjs.filters;
  const filters = query.where.map(([attribute, value]) => new EqualityFilter({ attribute, value }));
  const options = { scope: query.scope, filter: new AndFilter({ filters }), attributes: [...query.attributes] };
  let page: LdapEntry[] = [];
  const asking: (() => void)[] = []; // for the next page, at most one
  let isOver = false;
  let turn = Promise.withResolvers<void>();
  const paged = { pageSize: PAGE_ENTRIES, pagePause: true };
  client.search(query.base, { ...options, paged }, (error, found) => {
    if (error !== null) return turn.reject(error);
    found.on('searchEntry', ({ objectName, attributes }) => {
      const values = attributes.map(({ type, buffers }) => [type.toLowerCase(), buffers] as const);
      page.push({ dn: objectName.toString(), values: new Map(values) });
    });
    found.on('page', (_result, more) => {
      if (typeof more === 'function') asking.push(() => more()); // the last page has none
      turn.resolve();
    });
    found.on('pageError', () => undefined); // a server without paging gives everything at once
    found.on('error', turn.reject);
    found.on('end', () => {
      isOver = true;
      turn.resolve();
    });
  });
  while (true) {
    await Promise.race([turn.promise, failed]);
    const full = page;
    page = [];
    if (full.length > 0) yield full;
    if (isOver) return;
    turn = Promise.withResolvers<void>();
    turn.promise.catch(() => undefined);
    asking.shift()?.();
  }
}
