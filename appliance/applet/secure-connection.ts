// TLS to the appliance, held to the two CA certificates in the signed part of this program and to nothing else: a
// certificate the operating system trusts is worth nothing here (F-02).
import { isIP } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { ApplianceError } from '../errors.ts';
import type { ServerAddress } from './configuration.ts';
import { findProxy, openTcp } from './proxy.ts';

// DESIGN 12.8: the two suites of every listener; DESIGN 6: the groups.
const CIPHERS = 'TLS_AES_256_GCM_SHA384:ECDHE-RSA-AES256-GCM-SHA384';
const GROUPS = 'X25519MLKEM768:X25519:P-256:P-384';
const TIMEOUT_MS = 10_000;

export interface SecureConnectionOptions {
  /** PEM. */
  readonly anchors: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs?: number;
}

/**
 * @returns a connection whose peer is the appliance; closing it is the caller's affair
 * @throws ApplianceError `connection.failed`, `connection.not-trusted`, `proxy.refused`, `proxy.malformed`
 */
export async function connectSecurely(target: ServerAddress, options: SecureConnectionOptions): Promise<TLSSocket> {
  const signal = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS);
  const socket = await openTcp(target, findProxy(target, options.environment), signal);
  const name = certificateName(target.host);
  return new Promise((resolve, reject) => {
    const secure = connect({
      socket,
      ca: [...options.anchors],
      ciphers: CIPHERS,
      ecdhCurve: GROUPS,
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
      // Without a server name the certificate is held to the address itself (RFC 6066 §3 forbids addresses there).
      ...(isIP(target.host) === 0 ? { servername: name } : { host: target.host }),
    });
    const stop = () => secure.destroy(new Error('no TLS in time'));
    signal.addEventListener('abort', stop, { once: true });
    secure.once('error', cause => {
      socket.destroy();
      reject(
        isDistrust(cause)
          ? notTrusted(cause)
          : new ApplianceError('unavailable', 'connection.failed', 'no TLS', { cause }),
      );
    });
    secure.once('secureConnect', () => {
      signal.removeEventListener('abort', stop);
      secure.removeAllListeners('error');
      resolve(secure); // from here on the peer is the appliance: chain and name were checked against our anchors
    });
  });
}

/** The appliance shows its own CA's certificate under this name, whatever browsers get (DESIGN 12.7). */
export function certificateName(host: string): string {
  return isIP(host) === 0 ? `applet.${host}` : host;
}

function isDistrust(error: Error & { code?: string }): boolean {
  const code = error.code ?? '';
  return /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS|ALERT/.test(code) && code !== 'ERR_TLS_HANDSHAKE_TIMEOUT';
}

function notTrusted(cause: unknown): ApplianceError {
  return new ApplianceError('refused', 'connection.not-trusted', 'the server is not this appliance', {
    hint: 'Somebody between this computer and the appliance shows another certificate: a proxy that opens TLS, or an attack.',
    cause,
  });
}
