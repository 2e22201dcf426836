// The picture an authenticator app scans.
import Handlebars from 'handlebars';
import { toString as draw } from 'qrcode';

/** @returns SVG markup, drawn here from the modules alone: nothing of the text stands in it */
export async function drawQr(uri: string): Promise<Handlebars.SafeString> {
  const svg = await draw(uri, { type: 'svg', margin: 2, errorCorrectionLevel: 'M' });
  return new Handlebars.SafeString(svg.replace('<svg ', '<svg role="img" aria-label="QR code of the key below" '));
}

/** In groups of four, as people type it. */
export function groupSecret(secret: string): string {
  return secret.replace(/(.{4})(?=.)/g, '$1 ');
}
