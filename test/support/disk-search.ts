// Looks for words in everything a data folder holds, as somebody would who has it and all keys in it: files as they are, every
// page of every database and write-ahead log decrypted, every row, and what the session keys that are there unseal.
import { createDecipheriv } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { sqlcipherDriver } from '../../appliance/store/sqlite/sqlcipher-driver.ts';
import type { StoreKeys } from '../../appliance/store/store.ts';
import { readRawPages } from './raw-pages.ts';

const [NONCE_BYTES, TAG_BYTES] = [12, 16];

/** @returns where each needle was found, `NEEDLE in PLACE` */
export async function searchDisk(
  folder: string,
  keys: StoreKeys,
  needles: Readonly<Record<string, string | Uint8Array>>,
): Promise<string[]> {
  const found = new Set<string>();
  const look = (place: string, bytes: Buffer) => {
    for (const [name, needle] of Object.entries(needles)) if (bytes.includes(needle)) found.add(`${name} in ${place}`);
  };
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(file => file.isFile());
  const paths = files.map(({ parentPath, name }) => join(parentPath, name));
  const databases: string[] = [];
  for (const path of paths) {
    look(basename(path), readFileSync(path));
    if (!path.endsWith('.db')) continue;
    look(`pages of ${basename(path)}`, readRawPages(path, keys.store));
    databases.push(path);
  }
  const unwrapped: Buffer[] = [];
  for (const path of databases.filter(one => basename(one) === 'keys.db'))
    for (const { wrapped } of await rowsOf(path, 'session_key', keys.store))
      if (wrapped instanceof Uint8Array) unwrapped.push(unseal(keys.keyEncryption, wrapped));
  for (const path of databases)
    for (const table of await tablesOf(path, keys.store))
      for (const row of await rowsOf(path, table, keys.store))
        for (const value of Object.values(row)) {
          const place = `${table} of ${basename(path)}`;
          look(place, Buffer.from(value instanceof Uint8Array ? value : String(value)));
          if (value instanceof Uint8Array && value.length > NONCE_BYTES + TAG_BYTES)
            for (const key of unwrapped) look(`${place}, unsealed`, unseal(key, value));
        }
  return [...found].sort();
}

/** Without asking whether it is whole: of another key it is noise. AES-GCM is AES-CTR from the second block on. */
function unseal(key: Uint8Array, sealed: Uint8Array): Buffer {
  const counter = Buffer.concat([sealed.subarray(0, NONCE_BYTES), Buffer.from([0, 0, 0, 2])]);
  const cipher = createDecipheriv('aes-256-ctr', key, counter);
  return Buffer.concat([cipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), cipher.final()]);
}

async function tablesOf(path: string, key: Uint8Array): Promise<string[]> {
  const sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0";
  return (await ask(path, key, sql)).map(({ name }) => String(name));
}

function rowsOf(path: string, table: string, key: Uint8Array) {
  return ask(path, key, `SELECT * FROM "${table}"`);
}

async function ask(path: string, key: Uint8Array, sql: string) {
  const connection = await sqlcipherDriver.open(path, key, 'read');
  try {
    return await connection.all(sql);
  } finally {
    await connection.close();
  }
}
