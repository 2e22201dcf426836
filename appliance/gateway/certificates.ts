// The certificates the listener shows, chosen by SNI (DESIGN 12.7), and read again when their files change.
//   public/server.crt      keys/server.key       the appliance CA's own; always for `applet.<name>` and where no other fits
//   public/web-<label>.crt keys/web-<label>.key  uploaded, for browsers: leaf first, then its chain
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { type Clock, systemClock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import type { Log } from '../log.ts';
import { FileWatch } from './file-watch.ts';
import { isAppletName } from './hosts.ts';
import { tlsSettings } from './tls-settings.ts';

const OWN = 'server';
const UPLOADED = /^(web-[a-z0-9-]{1,40})\.crt$/;

export interface LoadedCertificate {
  /** Name of the pair: `server`, `web-main`. */
  readonly label: string;
  readonly context: SecureContext;
  readonly options: SecureContextOptions;
  readonly notBefore: number; // ms UTC
  readonly notAfter: number;
  readonly covers: (name: string) => boolean;
}

export class Certificates {
  readonly #dataFolder: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #onChanged: (own: LoadedCertificate) => void;
  readonly #watch: FileWatch;
  #own: LoadedCertificate;
  #uploaded: readonly LoadedCertificate[] = [];

  /**
   * @param onChanged called with the certificate for clients without SNI, each time the files were read again
   * @throws ApplianceError `gateway.certificate` when the appliance's own can't be used
   */
  constructor(parts: { dataFolder: string; clock?: Clock; log: Log; onChanged: (own: LoadedCertificate) => void }) {
    this.#dataFolder = parts.dataFolder;
    this.#clock = parts.clock ?? systemClock;
    this.#log = parts.log;
    this.#onChanged = parts.onChanged;
    this.#own = loadPair(this.#dataFolder, OWN);
    this.#uploaded = this.#loadUploaded();
    this.#watch = new FileWatch(
      this.#clock,
      () => this.#paths(),
      () => this.reload(),
    );
  }

  /** The appliance CA's certificate, shown to clients without SNI. */
  get own(): LoadedCertificate {
    return this.#own;
  }

  list(): readonly LoadedCertificate[] {
    return [this.#own, ...this.#uploaded];
  }

  /** @param serverName SNI as received */
  choose(serverName: string): LoadedCertificate {
    if (isAppletName(serverName)) return this.#own;
    const now = this.#clock.now();
    const fitting = this.#uploaded.filter(one => one.covers(serverName) && isInDate(one, now));
    // Of several, the one that lasts longest: the newest upload.
    return fitting.sort((a, b) => b.notAfter - a.notAfter)[0] ?? this.#own;
  }

  /** True when each certificate that can be shown is in date. */
  inDate(): boolean {
    return isInDate(this.#own, this.#clock.now());
  }

  /** Reads the files again. One that can't be used leaves what was there, with a line in the log. */
  reload(): void {
    try {
      this.#own = loadPair(this.#dataFolder, OWN);
    } catch (error) {
      this.#log.error('gateway.certificate-unusable', { label: OWN, error: describeError(error) });
    }
    this.#uploaded = this.#loadUploaded();
    this.#log.info('gateway.certificates-loaded', {
      labels: this.list().map(one => one.label),
      notAfter: new Date(this.#own.notAfter).toISOString(),
    });
    this.#onChanged(this.#own);
  }

  close(): void {
    this.#watch.close();
  }

  #loadUploaded(): LoadedCertificate[] {
    return this.#labels().flatMap(label => {
      try {
        return [loadPair(this.#dataFolder, label)];
      } catch (error) {
        this.#log.error('gateway.certificate-unusable', { label, error: describeError(error) });
        return this.#uploaded.filter(old => old.label === label);
      }
    });
  }

  #labels(): string[] {
    return readdirSync(join(this.#dataFolder, 'public')).flatMap(file => UPLOADED.exec(file)?.[1] ?? []);
  }

  #paths(): string[] {
    return [OWN, ...this.#labels()].flatMap(label => Object.values(pathsOf(this.#dataFolder, label)));
  }
}

function isInDate(certificate: LoadedCertificate, now: number): boolean {
  return certificate.notBefore <= now && now <= certificate.notAfter;
}

function pathsOf(dataFolder: string, label: string): { certificate: string; key: string } {
  return { certificate: join(dataFolder, 'public', `${label}.crt`), key: join(dataFolder, 'keys', `${label}.key`) };
}

function loadPair(dataFolder: string, label: string): LoadedCertificate {
  const paths = pathsOf(dataFolder, label);
  try {
    const options = { ...tlsSettings, cert: readFileSync(paths.certificate), key: readFileSync(paths.key) };
    const leaf = new X509Certificate(options.cert);
    if (leaf.publicKey.asymmetricKeyType !== 'rsa') throw new TypeError('its key is not RSA');
    if (!leaf.checkPrivateKey(createPrivateKey(options.key))) throw new TypeError('its private key is another one');
    return {
      label,
      options,
      context: createSecureContext(options),
      notBefore: leaf.validFromDate.getTime(),
      notAfter: leaf.validToDate.getTime(),
      covers: name => leaf.checkHost(name) !== undefined,
    };
  } catch (cause) {
    throw new ApplianceError('unavailable', 'gateway.certificate', `${label}.crt: ${describeError(cause)}`, {
      hint: 'A certificate needs an RSA key of its own in keys/, PEM, leaf first; packaging/run makes the appliance’s.',
      cause,
    });
  }
}
