// The part of the library's face that the fallback driver uses; its own types are not where its entry point is.
declare module 'better-sqlite3-multiple-ciphers' {
  interface Statement {
    readonly reader: boolean;
    all(...params: unknown[]): unknown[];
    run(...params: unknown[]): { changes: number };
  }
  class Database {
    constructor(path: string, options: { readonly: boolean; fileMustExist: boolean });
    readonly name: string;
    prepare(sql: string): Statement;
    exec(sql: string): void;
    pragma(text: string): unknown;
    close(): void;
  }
  export = Database;
}
