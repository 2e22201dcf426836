// Comma-separated values (RFC 4180), as spreadsheets write and read them. A cell that a spreadsheet would take for a formula
// goes out behind an apostrophe, and loses it when it comes back.
import { ApplianceError } from '../errors.ts';

export interface CsvRow {
  /** Of the file, from 1: where the row begins. */
  readonly line: number;
  readonly cells: readonly string[];
}

/** A spreadsheet runs what begins so (OWASP: CSV injection); an apostrophe in front says that it is text. */
const FORMULA = /^'*[=+\-@\t\r\n]/;
const QUOTED = /[",\r\n;]/;

/**
 * Reads a file. The first line says whether cells are separated by commas or, as some spreadsheets do, by semicolons.
 * @throws ApplianceError `csv.malformed`, naming the line
 */
export function parseCsv(text: string): CsvRow[] {
  const content = text.replace(/^\uFEFF/, '');
  const first = /^[^\r\n]*/.exec(content)?.[0] ?? '';
  const separator = first.includes(';') && !first.includes(',') ? ';' : ',';
  const rows: CsvRow[] = [];
  let at = 0;
  let line = 1;
  while (at < content.length) {
    const row = readRow(content, at, separator, line);
    if (row.cells.some(cell => cell !== '')) rows.push({ line, cells: row.cells.map(unguarded) });
    line += content.slice(at, row.end).split('\n').length - 1;
    at = row.end;
  }
  return rows;
}

export function presentCsv(rows: readonly (readonly string[])[]): string {
  return rows.map(cells => `${cells.map(cell => quoted(guarded(cell))).join(',')}\r\n`).join('');
}

function readRow(text: string, from: number, separator: string, line: number): { cells: string[]; end: number } {
  const cells: string[] = [];
  for (let at = from; ; ) {
    const cell = text[at] === '"' ? readQuoted(text, at, line) : readPlain(text, at, separator);
    cells.push(cell.value);
    if (text[cell.end] !== separator) {
      const rest = /^(\r\n|\n|\r|$)/.exec(text.slice(cell.end, cell.end + 2));
      if (rest === null) throw malformed(line, 'something stands behind a closing quotation mark');
      return { cells, end: cell.end + rest[0].length };
    }
    at = cell.end + 1;
  }
}

function readPlain(text: string, from: number, separator: string): { value: string; end: number } {
  let end = from;
  while (end < text.length && text[end] !== separator && text[end] !== '\n' && text[end] !== '\r') end += 1;
  return { value: text.slice(from, end), end };
}

function readQuoted(text: string, from: number, line: number): { value: string; end: number } {
  let value = '';
  for (let at = from + 1; ; ) {
    const end = text.indexOf('"', at);
    if (end < 0) throw malformed(line, 'a quotation mark is never closed');
    value += text.slice(at, end);
    if (text[end + 1] !== '"') return { value, end: end + 1 };
    value += '"';
    at = end + 2;
  }
}

function guarded(cell: string): string {
  return FORMULA.test(cell) ? `'${cell}` : cell;
}

function unguarded(cell: string): string {
  return cell.startsWith("'") && FORMULA.test(cell) ? cell.slice(1) : cell;
}

function quoted(cell: string): string {
  return QUOTED.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

function malformed(line: number, why: string): ApplianceError {
  return new ApplianceError('malformed', 'csv.malformed', `line ${line}: ${why}`);
}
