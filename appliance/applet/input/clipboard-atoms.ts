// Names that programs agree on for copy and paste, as numbers of this X server.
import type { XConnection } from '../x11/connection.ts';

const NAMES = {
  ...{ clipboard: 'CLIPBOARD', targets: 'TARGETS', timestamp: 'TIMESTAMP', saveTargets: 'SAVE_TARGETS', incr: 'INCR' },
  ...{
    utf8: 'UTF8_STRING',
    text: 'TEXT',
    plain: 'text/plain',
    plainUtf8: 'text/plain;charset=utf-8',
    png: 'image/png',
  },
  transfer: 'SUPPORT_TRANSFER',
  /** Of password managers: what it comes with is nobody's business. */
  secret: 'x-kde-passwordManagerHint',
} as const;
/** Those every server has (X protocol, appendix A). */
export const ATOM = 4;
export const INTEGER = 19;
export const STRING = 31;

export type ClipboardAtoms = Readonly<Record<keyof typeof NAMES, number>>;

export async function internAtoms(connection: XConnection): Promise<ClipboardAtoms> {
  const intern = (name: string) => connection.ask<number>(answer => connection.client.InternAtom(false, name, answer));
  const names = Object.keys(NAMES) as (keyof typeof NAMES)[];
  const numbers = await Promise.all(names.map(async name => [name, await intern(NAMES[name])] as const));
  return Object.fromEntries(numbers) as ClipboardAtoms;
}
