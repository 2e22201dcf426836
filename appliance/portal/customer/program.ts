// The program to download: how it is offered, and how it goes out.
import type { Readable } from 'node:stream';
import type { VisitorPlatform } from '../web/browsers.ts';
import type { PortalContext } from '../web/context.ts';

export type DownloadPlatform = Exclude<VisitorPlatform, 'other'>;

export interface AppletOffer {
  readonly platform: DownloadPlatform;
  readonly compressedBytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

const FILES: Record<DownloadPlatform, { readonly name: string; readonly type: string; readonly system: string }> = {
  'win-x64': { name: 'remote-support.exe', type: 'application/vnd.microsoft.portable-executable', system: 'Windows' },
  'linux-x64': { name: 'remote-support', type: 'application/x-executable', system: 'Linux' },
};

/** For the page: the one for this computer first. */
export function presentOffers(offers: readonly AppletOffer[], platform: VisitorPlatform) {
  return offers
    .map(offer => ({
      platform: offer.platform,
      system: FILES[offer.platform].system,
      file: FILES[offer.platform].name,
      isWindows: offer.platform === 'win-x64',
      isFitting: offer.platform === platform,
      megabytes: Math.ceil(offer.compressedBytes / 1e6),
      sha256: offer.sha256,
    }))
    .sort((a, b) => Number(b.isFitting) - Number(a.isFitting) || Number(b.isWindows) - Number(a.isWindows));
}

export function sendProgram(
  ctx: PortalContext,
  platform: DownloadPlatform,
  encoding: 'gzip' | 'identity',
  { bytes, stream }: { readonly bytes: number; readonly stream: NodeJS.ReadableStream },
): void {
  const { name, type } = FILES[platform];
  ctx.status = 200;
  ctx.body = stream as Readable;
  ctx.set('Content-Type', type);
  ctx.set('Content-Disposition', `attachment; filename="${name}"`);
  ctx.set('Content-Length', String(bytes));
  if (encoding === 'gzip') ctx.set('Content-Encoding', 'gzip');
}

/** Two letters, as a tag takes them. */
export function languageOf(ctx: PortalContext): string {
  const [first = ''] = ctx.acceptsLanguages();
  return /^[a-z]{2}(?=-|$)/.exec(first.toLowerCase())?.[0] ?? 'en';
}
