// What a customer's own log tells of pictures that were held because nothing proved their recording, beside when his display was
// looked at nevertheless.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The rule's four seconds, and what is lost in counting by whole milliseconds. */
const MOST_UNPROVED_MS = 4000 + 5;

export interface HeldPicture {
  /** From the first picture that was sent and not proved to the last that was sent before all was, by the log and the looks. */
  readonly unprovedMs: number;
  /** It may be so much, with what the customer's idea of the appliance's time, in which his log is written, may be off. */
  readonly mostMs: number;
  readonly isResumed: boolean;
}

/** @param looks at the display, ms UTC, in order */
export function heldPictures(logFolder: string, looks: readonly number[]): HeldPicture[] {
  const lines = readdirSync(logFolder).flatMap(name => readFileSync(join(logFolder, name), 'utf8').split('\n'));
  const told = lines
    .filter(line => /"event":"recording-(held|resumed|ended)"/.test(line))
    .map(line => JSON.parse(line));
  return told.flatMap(({ event, detail }, at) => {
    if (event !== 'recording-held') return [];
    const [, sentAt = '', error = ''] = /^not proved since (\S+) ±(\d+) ms$/.exec(detail) ?? [];
    const since = Date.parse(sentAt);
    const next = told[at + 1];
    const over = next === undefined ? Number.POSITIVE_INFINITY : Date.parse(next.at);
    const seen = looks.filter(look => look > since && look < over);
    const last = seen.at(-2) ?? since; // the very last may wait: it is sent when all is proved
    const mostMs = MOST_UNPROVED_MS + Number(error);
    return [{ unprovedMs: Math.round(last - since), mostMs, isResumed: next?.event === 'recording-resumed' }];
  });
}
