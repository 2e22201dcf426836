// What a browser says of itself: which ones are supported (E-11, DESIGN 12.16), and which program fits its computer. It may
// say anything; nothing but which page is shown and which button comes first hangs on it.
import type { IncomingHttpHeaders } from 'node:http';

/** Least major version by the token it is found by, most particular first: Edge says Chrome too, and Chrome Safari. */
const FAMILIES: readonly { readonly token: RegExp; readonly least: number }[] = [
  { token: /\b(?:MSIE |Trident\/)(\d+)/, least: Number.POSITIVE_INFINITY },
  { token: /\b(?:Firefox|FxiOS)\/(\d+)/, least: 130 },
  { token: /\b(?:Edg|EdgA|EdgiOS)\/(\d+)/, least: 133 },
  { token: /\b(?:Chrome|CriOS)\/(\d+)/, least: 133 },
  { token: /\bVersion\/(\d+)[\d.]* (?:Mobile\/\S+ )?Safari\//, least: 17 },
];

/** False for a known browser that is too old. One that isn't known gets the benefit of the doubt. */
export function isSupportedBrowser(headers: IncomingHttpHeaders): boolean {
  const agent = headers['user-agent'] ?? '';
  for (const { token, least } of FAMILIES) {
    const version = token.exec(agent)?.[1];
    if (version !== undefined) return Number(version) >= least;
  }
  return true;
}

const NAMES: readonly (readonly [token: RegExp, name: string])[] = [
  [/\b(?:Firefox|FxiOS)\/(\d+)/, 'Firefox'],
  [/\b(?:Edg|EdgA|EdgiOS)\/(\d+)/, 'Edge'],
  [/\b(?:HeadlessChrome|Chrome|CriOS)\/(\d+)/, 'Chrome'],
  [/\bVersion\/(\d+)[\d.]* (?:Mobile\/\S+ )?Safari\//, 'Safari'],
];
const SYSTEMS: readonly (readonly [token: RegExp, name: string])[] = [
  [/\bWindows\b/, 'Windows'],
  [/\bAndroid\b/, 'Android'],
  [/\b(?:iPhone|iPad)\b/, 'iOS'],
  [/\bMac OS X\b/, 'macOS'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b/, 'Linux'],
];

/** As people know it: Firefox 140 on Windows; what is not known stays as it says it. */
export function browserName(agent: string): string {
  const family = NAMES.find(([token]) => token.test(agent));
  if (family === undefined) return agent;
  const [token, name] = family;
  const system = SYSTEMS.find(([known]) => known.test(agent))?.[1];
  const browser = `${name} ${token.exec(agent)?.[1] ?? ''}`;
  return system === undefined ? browser : `${browser} on ${system}`;
}

/** `other`: there is no program for it, the browser entry is for all of them (F-07). */
export type VisitorPlatform = 'win-x64' | 'linux-x64' | 'other';

export function platformOf(headers: IncomingHttpHeaders): VisitorPlatform {
  const hint = headers['sec-ch-ua-platform'];
  const agent = headers['user-agent'] ?? '';
  if (hint === '"Windows"' || (hint === undefined && /\bWindows NT 1\d/.test(agent))) return 'win-x64';
  const isLinux = hint === '"Linux"' || (hint === undefined && /\bLinux (?:x86_64|amd64)\b/.test(agent));
  return isLinux && !/Android/.test(agent) ? 'linux-x64' : 'other';
}
