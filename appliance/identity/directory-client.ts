// What the two LDAP libraries are to us: bind and search over one connection. Everything above is the same for both.
import type { ConnectionOptions } from 'node:tls';
import type { ServerAddress } from './directory-wire.ts';

export interface LdapQuery {
  readonly base: string;
  /** The whole tree below, or the entry itself. */
  readonly scope: 'sub' | 'base';
  /** All of these must be equal; made into a filter object, never into the text of one. */
  readonly where: readonly (readonly [attribute: string, value: string])[];
  readonly attributes: readonly string[];
}

export interface LdapEntry {
  readonly dn: string;
  /** By name in lower case. */
  readonly values: ReadonlyMap<string, readonly Uint8Array[]>;
}

export interface LdapClient extends Disposable {
  /** @returns false when name or password are wrong (result 49); throws for every other answer but success */
  bind(dn: string, password: string): Promise<boolean>;
  /** Page after page; referrals are left out and not followed. */
  search(query: LdapQuery): AsyncIterable<readonly LdapEntry[]>;
}

export type OpenLdapClient = (server: ServerAddress, tls: ConnectionOptions) => Promise<LdapClient>;

export const PAGE_ENTRIES = 500;
export const INVALID_CREDENTIALS = 49; // RFC 4511 §4.1.9
