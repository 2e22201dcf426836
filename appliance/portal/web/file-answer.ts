// Answers with a file, or with the one part of it that is asked for (RFC 9110 §14): who looks into a film of gigabytes
// fetches what he looks at.
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { ApplianceError } from '../../errors.ts';
import type { PortalContext } from './context.ts';

export interface AnsweredFile {
  readonly path: string;
  readonly bytes: number;
  readonly type: string;
  /** What it is called where it is kept. */
  readonly name: string;
  /** Of this very content: without quotes. */
  readonly tag: string;
}

/** First and last byte. */
export interface Part {
  readonly first: number;
  readonly last: number;
}

const ONE_RANGE = /^bytes[ \t]*=[ \t]*(\d{0,15})-(\d{0,15})[ \t]*$/i;

/**
 * What `Range` asks of a file. Several ranges, other units and what can't be read are ignored, as §14.2 has it: all is sent.
 * @param header undefined where there is none
 * @param bytes of the whole file
 */
export function partOf(header: string | undefined, bytes: number): Part | 'whole' | 'unsatisfiable' {
  const [, from = '', to = ''] = ONE_RANGE.exec(header ?? '') ?? [];
  if (from === '' && to === '') return 'whole';
  if (from === '') return to === '0' || bytes === 0 ? 'unsatisfiable' : lastOf(Number(to), bytes);
  const [first, last] = [Number(from), to === '' ? Number.MAX_SAFE_INTEGER : Number(to)];
  if (last < first) return 'whole';
  return first >= bytes ? 'unsatisfiable' : { first, last: Math.min(last, bytes - 1) };
}

/** Whether all of it was asked for, and not a part. */
export function asksForAll(ctx: PortalContext, { bytes, tag }: Pick<AnsweredFile, 'bytes' | 'tag'>): boolean {
  return ctx.method === 'GET' && askedOf(ctx, bytes, tag) === 'whole';
}

/** @throws ApplianceError `portal.file-gone` */
export async function answerFile(ctx: PortalContext, file: AnsweredFile): Promise<void> {
  const { path, bytes, type, name, tag } = file;
  ctx.set('Accept-Ranges', 'bytes');
  ctx.set('ETag', `"${tag}"`);
  ctx.set('Content-Disposition', `attachment; filename="${name}"`);
  const asked = askedOf(ctx, bytes, tag);
  if (asked === 'unsatisfiable') {
    ctx.status = 416;
    ctx.set('Content-Range', `bytes */${bytes}`);
    ctx.body = '';
    return;
  }
  const { first, last } = asked === 'whole' ? { first: 0, last: bytes - 1 } : asked;
  ctx.status = asked === 'whole' ? 200 : 206;
  if (asked !== 'whole') ctx.set('Content-Range', `bytes ${first}-${last}/${bytes}`);
  if (ctx.method !== 'HEAD' && bytes > 0) ctx.body = await streamOf(path, { first, last });
  ctx.set('Content-Type', type); // after the body, which would set another
  ctx.length = last - first + 1;
}

/** A part is only sent of what the asker has begun with; HEAD knows no parts (§14.2). */
function askedOf(ctx: PortalContext, bytes: number, tag: string): ReturnType<typeof partOf> {
  const [range, known] = [ctx.get('Range'), ctx.get('If-Range')];
  if (ctx.method === 'HEAD' || (known !== '' && known !== `"${tag}"`)) return 'whole';
  return partOf(range, bytes);
}

function lastOf(count: number, bytes: number): Part {
  return { first: Math.max(0, bytes - count), last: bytes - 1 };
}

async function streamOf(path: string, { first, last }: Part) {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((cause: unknown) => {
    throw new ApplianceError('missing', 'portal.file-gone', 'that file is not there any more', { cause });
  });
  return file.createReadStream({ start: first, end: last, highWaterMark: 256 * 1024 });
}
