// A form that brings a file (RFC 7578). The body is taken whole, up to a limit, and read by the runtime's own parser.
import { ApplianceError } from '../../errors.ts';
import type { PortalContext } from './context.ts';

/**
 * The fields of the form, files among them, as text.
 * @throws ApplianceError `request.too-large`, `request.malformed`
 */
export async function readMultipart(ctx: PortalContext, maxBytes: number): Promise<ReadonlyMap<string, string>> {
  const type = ctx.get('Content-Type');
  if (!/^multipart\/form-data;/i.test(type)) throw malformed('a form with a file was expected');
  const body = await readBody(ctx, maxBytes);
  try {
    const form = await new Response(body, { headers: { 'content-type': type } }).formData();
    const fields = new Map<string, string>();
    for (const [name, value] of form) fields.set(name, typeof value === 'string' ? value : await textOf(value));
    return fields;
  } catch (cause) {
    throw malformed('the form, or the file in it, can’t be read: a file has to be text in UTF-8', cause);
  }
}

async function readBody(ctx: PortalContext, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of ctx.req) {
    length += part.length;
    if (length > maxBytes) {
      throw new ApplianceError(
        'malformed',
        'request.too-large',
        `a file has at most ${Math.floor(maxBytes / 1024)} KiB`,
      );
    }
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
}

async function textOf(file: Blob): Promise<string> {
  return new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer());
}

function malformed(message: string, cause?: unknown): ApplianceError {
  return new ApplianceError('malformed', 'request.malformed', message, { cause });
}
