// What we use of ldapjs 3.0.7, which comes without types: its API (docs/client.md of the package).
declare module 'ldapjs' {
  import type { EventEmitter } from 'node:events';
  import type { ConnectionOptions } from 'node:tls';

  interface Filter {
    toString(): string;
  }

  interface Entry {
    readonly objectName: { toString(): string };
    readonly attributes: readonly { readonly type: string; readonly buffers: readonly Buffer[] }[];
  }

  interface SearchEmitter extends EventEmitter {
    on(event: 'searchEntry', listener: (entry: Entry) => void): this;
    on(event: 'page', listener: (result: unknown, next: (error?: Error) => void) => void): this;
    on(event: 'error' | 'pageError', listener: (error: Error) => void): this;
    on(event: 'end', listener: () => void): this;
  }

  interface Client extends EventEmitter {
    bind(dn: string, password: string, done: (error: Error | null) => void): void;
    search(
      base: string,
      options: {
        scope: 'sub' | 'base';
        filter: Filter;
        attributes: string[];
        timeLimit?: number;
        paged: { pageSize: number; pagePause: boolean };
      },
      done: (error: Error | null, found: SearchEmitter) => void,
    ): void;
    destroy(): void;
  }

  interface Ldapjs {
    createClient(options: { url: string; tlsOptions: ConnectionOptions }): Client;
    readonly filters: {
      readonly AndFilter: new (options: { filters: Filter[] }) => Filter;
      readonly EqualityFilter: new (options: { attribute: string; value: string }) => Filter;
    };
  }

  const ldapjs: Ldapjs;

  export = ldapjs;
}
