// The list of error codes in the help, read from the code itself, so that it can't fall behind.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ErrorCode {
  readonly code: string;
  readonly kind: string;
  readonly message: string;
}

const RAISED = /new ApplianceError\(\s*'([a-z]+)',\s*'([a-z0-9.-]+)',\s*(?:'((?:[^'\\]|\\.)*)'|`([^`]*)`|[^,)]*)/g;

/** Directory and single sign-on tell by faults of their own (`identity/directory-fault.ts`, `identity/saml-fault.ts`). */
const FAULT = /'((?:directory|saml)\.[a-z-]+)',\s*(?:'((?:[^'\\]|\\.)*)'|`([^`]*)`)/g;

/** @param root folder `appliance/` @returns by code, each once */
export function listErrorCodes(root: string): ErrorCode[] {
  const byCode = new Map<string, ErrorCode>();
  for (const file of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const source = readFileSync(join(root, file), 'utf8');
    const by = /^identity\/(directory|saml)/.exec(file)?.[1];
    const faults = by === undefined ? [] : source.matchAll(FAULT);
    const told = [...faults].map(([all, ...rest]) => [all, by === 'saml' ? 'refused' : 'unavailable', ...rest]);
    for (const [, kind = '', code = '', quoted, template] of [...source.matchAll(RAISED), ...told]) {
      const message = (quoted ?? template ?? '').replaceAll("\\'", "'").replace(/\$\{[^}]*\}/g, '…');
      if (!byCode.has(code)) byCode.set(code, { code, kind, message });
    }
  }
  return [...byCode.values()].sort((a, b) => (a.code < b.code ? -1 : 1));
}
