// Log lines for IT: one JSON object a line on standard output, with a stable event name. Evidence is in `audit/`, not here.
// No GUID, PIN, password, chat text or file content, ever.

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogField = string | number | boolean | null | undefined | readonly string[];
export type LogFields = Readonly<Record<string, LogField>>;

export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A log whose lines all carry these fields. */
  with(fields: LogFields): Log;
}

const rank: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

/** @param write takes one line with its newline; standard output unless told */
export function createLog(
  process_: string,
  options: { least?: LogLevel; write?: (line: string) => void; now?: () => number } = {},
): Log {
  const { least = 'info', write = line => process.stdout.write(line), now = Date.now } = options;
  const make = (fixed: LogFields): Log => {
    const line =
      (level: LogLevel) =>
      (event: string, fields: LogFields = {}) => {
        if (rank[level] < rank[least]) return;
        write(
          `${JSON.stringify({ at: new Date(now()).toISOString(), level, process: process_, event, ...fixed, ...fields })}\n`,
        );
      };
    return {
      debug: line('debug'),
      info: line('info'),
      warn: line('warn'),
      error: line('error'),
      with: fields => make({ ...fixed, ...fields }),
    };
  };
  return make({});
}

/** Drops every line; for tests that assert on something else. */
export const silentLog: Log = createLog('silent', { write: () => undefined, least: 'error' });
