// sslscan(1) as a second opinion on a listener.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface TlsScan {
  /** `tls1.2`, sorted. */
  readonly versions: readonly string[];
  /** `TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384`, sorted. */
  readonly suites: readonly string[];
  readonly xml: string;
}

/** @param name sent as SNI */
export async function scanTls(port: number, name: string): Promise<TlsScan> {
  const args = ['--xml=-', '--show-sigs', '--no-colour', `--sni-name=${name}`, `127.0.0.1:${port}`];
  const { stdout: xml } = await promisify(execFile)('sslscan', args);
  const suites = [...xml.matchAll(/<cipher [^>]*sslversion="([^"]+)"[^>]*cipher="([^"]+)"/g)];
  const versions = [...xml.matchAll(/<protocol type="([a-z]+)" version="([^"]+)" enabled="1"/g)];
  const joined = (found: RegExpExecArray[], between: string) =>
    found.map(([, first, second]) => `${first}${between}${second}`).sort();
  return { versions: joined(versions, ''), suites: joined(suites, ' '), xml };
}
