// ldapts as our LDAP client: the same protocol by other people, one setting away.
import { once } from 'node:events';
import { type ConnectionOptions, connect } from 'node:tls';
import { AndFilter, Client, type Entry, EqualityFilter } from 'ldapts';
import {
  INVALID_CREDENTIALS,
  type LdapClient,
  type LdapEntry,
  type LdapQuery,
  PAGE_ENTRIES,
} from './directory-client.ts';
import type { ServerAddress } from './directory-wire.ts';

/** Every attribute is given as bytes, however the server spells its name: an id is not text. */
class EveryName extends Array<string> {
  override includes(): boolean {
    return true;
  }
}

export async function openLdapts({ host, port }: ServerAddress, tlsOptions: ConnectionOptions): Promise<LdapClient> {
  // The library would write before it knows whether the certificate holds; it gets the connection when that is known.
  const socket = connect(tlsOptions);
  await once(socket, 'secureConnect');
  const client = new Client({
    url: `ldaps://${host.includes(':') ? `[${host}]` : host}:${port}`,
    strictDN: false,
    createSecureConnection: () => socket,
  });
  return {
    bind: async (dn, password) => {
      try {
        await client.bind(dn, password);
        return true;
      } catch (error) {
        if ((error as { code?: unknown }).code === INVALID_CREDENTIALS) return false;
        throw error;
      }
    },
    search: query => search(client, query),
    [Symbol.dispose]: () => void client.unbind().catch(() => undefined),
  };
}

async function* search(client: Client, query: LdapQuery): AsyncIterable<readonly LdapEntry[]> {
  const filters = query.where.map(([attribute, value]) => new EqualityFilter({ attribute, value }));
  const pages = client.searchPaginated(query.base, {
    scope: query.scope,
    filter: new AndFilter({ filters }),
    attributes: [...query.attributes],
    explicitBufferAttributes: new EveryName(),
    paged: { pageSize: PAGE_ENTRIES },
  });
  for await (const { searchEntries } of pages) yield searchEntries.map(toEntry);
}

function toEntry({ dn, ...attributes }: Entry): LdapEntry {
  const values = Object.entries(attributes).map(([name, given]) => {
    const all: readonly (string | Buffer)[] = Array.isArray(given) ? given : [given];
    return [name.toLowerCase(), all.map(one => (typeof one === 'string' ? Buffer.from(one) : one))] as const;
  });
  return { dn, values: new Map(values) };
}
