// What SQLite's result codes mean to us (https://sqlite.org/rescode.html). Messages name tables and columns, never values.
import { ApplianceError, type ErrorKind } from '../../errors.ts';

interface Meaning {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly hint: string;
}

const meanings: Readonly<Record<string, Meaning>> = {
  SQLITE_FULL: {
    kind: 'unavailable',
    code: 'store.full',
    hint: 'The disk is full. Make room; nothing committed is lost.',
  },
  SQLITE_IOERR: {
    kind: 'unavailable',
    code: 'store.io',
    hint: 'The disk refused a read or a write. Look at the system log.',
  },
  SQLITE_READONLY: {
    kind: 'unavailable',
    code: 'store.read-only',
    hint: 'The data folder must be writable by the user the appliance runs as.',
  },
  SQLITE_CANTOPEN: {
    kind: 'unavailable',
    code: 'store.cannot-open',
    hint: 'The data folder must exist and belong to the user the appliance runs as.',
  },
  SQLITE_CORRUPT: {
    kind: 'unavailable',
    code: 'store.damaged',
    hint: 'A page of the file was changed or is unreadable. Stop the appliance and restore the last backup.',
  },
  SQLITE_NOTADB: {
    kind: 'unavailable',
    code: 'store.wrong-key',
    hint: 'The file does not open with the store key in the keys folder: it belongs to another installation, or its first page is damaged.',
  },
  SQLITE_BUSY: { kind: 'unavailable', code: 'store.busy', hint: 'Another program holds a lock on the file.' },
};

// SQLCipher ends a statement that meets a page with a wrong HMAC with SQLITE_ERROR and no text of its own, so that SQLite's
// general one stands there. A statement that is wrong itself always says what is wrong with it.
const UNREADABLE_PAGE = 'SQLITE_ERROR: SQL logic error';

/** @param file name shown to IT; @param thrown what the library threw */
export function storeError(file: string, thrown: unknown): ApplianceError {
  if (thrown instanceof ApplianceError) return thrown;
  const code = resultCode(thrown);
  const text = thrown instanceof Error ? thrown.message : 'unknown failure';
  if (code.startsWith('SQLITE_CONSTRAINT')) {
    return new ApplianceError('conflict', constraintCode(text), `${file}: ${text}`, { cause: thrown });
  }
  const meant = text === UNREADABLE_PAGE ? 'SQLITE_CORRUPT' : code;
  const meaning = Object.entries(meanings).find(([prefix]) => meant.startsWith(prefix))?.[1];
  if (meaning === undefined)
    return new ApplianceError('defect', 'store.statement', `${file}: ${text}`, { cause: thrown });
  return new ApplianceError(meaning.kind, meaning.code, `${file}: ${text}`, { hint: meaning.hint, cause: thrown });
}

function resultCode(thrown: unknown): string {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown) return String(thrown.code);
  return '';
}

function constraintCode(text: string): string {
  if (text.includes('UNIQUE constraint') || text.includes('PRIMARY KEY')) return 'store.unique';
  if (text.includes('FOREIGN KEY')) return 'store.foreign-key';
  return 'store.constraint';
}

/** A constraint undoes its own statement only; anything else may have ended the whole transaction. */
export function undoesOnlyItsStatement(error: ApplianceError): boolean {
  return error.kind === 'conflict';
}
