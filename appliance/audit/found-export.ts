// Entries a search has found, as a file: CSV, JSON, JSON lines or XML. Each stands there with its number, its hash and the hash
// before it, so that it can be held against the whole log and hashed again by itself (README.md). Written as they are read.

import { withoutNulls } from '../protocol/audit-entry.ts';
import { canonicalJson } from '../protocol/canonical-json.ts';
import { presentCsv } from '../protocol/csv.ts';
import { escapeXml } from '../protocol/xml-text.ts';
import type { AuditDetail, AuditEntry } from './entry.ts';

export const FOUND_FORMATS = ['csv', 'json', 'jsonl', 'xml'] as const;
export type FoundFormat = (typeof FOUND_FORMATS)[number];

export interface FoundEntry extends AuditEntry {
  /** Hash of the entry before it; null where that one is archived or destroyed. */
  readonly previous: string | null;
}

export interface FoundFile {
  readonly format: FoundFormat;
  /** What was asked for, as the log has it. */
  readonly query: AuditDetail;
  /** ms UTC */
  readonly madeAt: number;
}

export const FOUND_TYPES: Readonly<Record<FoundFormat, string>> = {
  csv: 'text/csv; charset=utf-8; header=present',
  json: 'application/json; charset=utf-8',
  jsonl: 'application/jsonl; charset=utf-8',
  xml: 'application/xml; charset=utf-8',
};
const VERSION = 'appliance/audit-found/v1';
const COLUMNS = [
  ...['seq', 'at', 'event', 'actorKind', 'actorId', 'actorName', 'address', 'sessionId', 'subject', 'detail'],
  ...['bodyHash', 'log', 'previous', 'hash'],
] as const;
type Columns = Readonly<Record<(typeof COLUMNS)[number], string | number | null>>;

/** @returns the file, in pieces; `entries` is read no faster than they are taken */
export async function* writeFound(file: FoundFile, entries: AsyncIterable<FoundEntry>): AsyncGenerator<string> {
  yield beginningOf(file);
  let isFirst = true;
  for await (const entry of entries) {
    yield entryIn(file.format, entry, isFirst);
    isFirst = false;
  }
  if (file.format === 'json') yield '\n]}\n';
  if (file.format === 'xml') yield '</audit>\n';
}

function beginningOf({ format, query, madeAt }: FoundFile): string {
  const [at, asked] = [new Date(madeAt).toISOString(), canonicalJson(withoutNulls(query))];
  if (format === 'csv') return csvLine(COLUMNS);
  if (format === 'jsonl') return `{"type":"found","version":"${VERSION}","madeAt":"${at}","query":${asked}}\n`;
  if (format === 'json') return `{"version":"${VERSION}","madeAt":"${at}","query":${asked},"entries":[`;
  const head = `<audit version="${VERSION}" madeAt="${at}">`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${head}\n<query>${detailXml(query)}</query>\n`;
}

function entryIn(format: FoundFormat, entry: FoundEntry, isFirst: boolean): string {
  if (format === 'csv') {
    const columns = columnsOf(entry);
    return csvLine(COLUMNS.map(name => columns[name]));
  }
  if (format === 'jsonl') return `${JSON.stringify({ type: 'entry', ...entry })}\n`;
  if (format === 'json') return `${isFirst ? '' : ','}\n${JSON.stringify(entry)}`;
  const fields = COLUMNS.filter(name => name !== 'detail').map(name => element(name, columnsOf(entry)[name]));
  return `<entry>${fields.join('')}${detailXml(entry.detail)}</entry>\n`;
}

function columnsOf({
  actor,
  detail,
  at,
  seq,
  event,
  sessionId,
  subject,
  bodyHash,
  log,
  ...chain
}: FoundEntry): Columns {
  const { kind: actorKind, id: actorId, name: actorName, address } = actor;
  return {
    ...{ seq, at: new Date(at).toISOString(), event, actorKind, actorId, actorName, address, sessionId, subject },
    ...{ detail: canonicalJson(withoutNulls(detail)), bodyHash, log, previous: chain.previous, hash: chain.hash },
  };
}

function csvLine(cells: readonly (string | number | null)[]): string {
  return presentCsv([cells.map(cell => String(cell ?? ''))]);
}

function element(name: string, value: string | number | null): string {
  return value === null ? '' : `<${name}>${escapeXml(String(value))}</${name}>`;
}

/** Names are ours or a stranger's: they stand in an attribute, where a name of an element would have to be one. */
function detailXml(detail: AuditDetail): string {
  const there = Object.entries(withoutNulls(detail));
  return there
    .map(([name, value]) => `<detail name="${escapeXml(name)}">${escapeXml(String(value))}</detail>`)
    .join('');
}
