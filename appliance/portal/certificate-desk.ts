// The certificates as IT sees and changes them on the pages: what is shown to browsers, a request for one, one brought
// along. The appliance's own is renewed by the clock, and when IT says so. The gateway takes changed files up by itself.
import { X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { AuditLog } from '../audit/audit.ts';
import { type Actor, applianceActor } from '../audit/entry.ts';
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import type { Log } from '../log.ts';
import { KEYS_FOLDER, PUBLIC_FOLDER, syncFolder } from '../pki/key-files.ts';
import { checkCertificate, findRequestKey, installCertificate } from '../pki/own-certificate.ts';
import { coversName, findRenewalReason, readServerCertificate } from '../pki/server-certificate.ts';
import type { Store } from '../store/store.ts';

const OWN = 'server';
/** As `pki/own-certificate.ts` names them, and as IT may have named one in the folder itself. */
const LABEL = /^web-[a-z0-9-]{1,40}$/;
const DAY_MS = 86_400_000;
const SOON_DAYS = 30;
const LOOK_EVERY_MS = 60 * 60_000;

export interface CertificateDeskParts {
  readonly dataFolder: string;
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Log;
  /** What browsers ask for. */
  readonly names: () => readonly string[];
  readonly organisation: string;
  /** PKCS#10 for a key that stays on the appliance. */
  readonly request: (wish: { names: string[]; organisation: string }) => Promise<string>;
  /** Makes and installs one of the appliance's own authority. */
  readonly certify: (names: readonly string[]) => Promise<void>;
}

export interface ShownCertificate {
  /** `server`, or `web-…`. */
  readonly label: string;
  readonly isOwn: boolean;
  /** null where the file can't be read as a certificate. */
  readonly facts: CertificateFacts | null;
}

export interface CertificateFacts {
  readonly subject: string;
  readonly issuer: string;
  readonly names: string;
  readonly from: number; // ms UTC
  readonly to: number;
  readonly daysLeft: number;
  readonly isSoon: boolean;
  /** Of the appliance's names, what it is not for. */
  readonly missing: string;
  /** SHA-256. */
  readonly fingerprint: string;
}

export class CertificateDesk {
  readonly #parts: CertificateDeskParts;
  #cancel: Cancel | null = null;

  constructor(parts: CertificateDeskParts) {
    this.#parts = parts;
  }

  /** Renews the appliance's own now and by the clock, whenever that is due. */
  start(): void {
    const { clock, log } = this.#parts;
    const look = () => {
      // Tried again an hour later: there is a month's time, and the status page says how much is left.
      this.renewWhenDue().catch(error => log.error('certificate.not-renewed', { why: describeError(error) }));
    };
    look();
    this.#cancel ??= clock.every(LOOK_EVERY_MS, look);
  }

  close(): void {
    this.#cancel?.();
  }

  /** The appliance's own a month before its end, or when a name is not in it. */
  async renewWhenDue(): Promise<void> {
    const { dataFolder, names, clock } = this.#parts;
    const why = findRenewalReason(readServerCertificate(dataFolder), names(), clock.now());
    if (why !== undefined) await this.#renew(applianceActor, why);
  }

  /** The appliance's own first. */
  list(): readonly ShownCertificate[] {
    const labels = namesIn(this.#folder(PUBLIC_FOLDER), '.crt').filter(label => LABEL.test(label));
    return [OWN, ...labels].map(label => ({ label, isOwn: label === OWN, facts: this.#facts(label) }));
  }

  /** The appliance's authority and the next one: programs trust both from the start, so that renewal orphans none. */
  anchors(): readonly { readonly title: string; readonly facts: CertificateFacts | null }[] {
    return [
      { title: 'Our authority', facts: this.#facts('ca') },
      { title: 'Our next authority', facts: this.#facts('ca-next') },
    ];
  }

  /** Keys of requests whose certificate has not come yet. */
  waiting(): readonly string[] {
    const keys = namesIn(this.#folder(KEYS_FOLDER), '.key').filter(label => LABEL.test(label));
    return keys.filter(label => !existsSync(join(this.#folder(PUBLIC_FOLDER), `${label}.crt`)));
  }

  /** @returns PKCS#10 in PEM, for all names of the appliance */
  async request(actor: Actor): Promise<string> {
    const { names, organisation, request } = this.#parts;
    const pem = await request({ names: [...names()], organisation });
    await this.#say(actor, 'certificate.requested', { names: names().join(', ') });
    return pem;
  }

  /**
   * Takes a certificate IT brings along.
   * @param keyPem empty where its key was made by a request here
   * @throws ApplianceError as `checkCertificate`, or `certificate.no-key`
   */
  async install(actor: Actor, chainPem: string, keyPem: string): Promise<void> {
    const { dataFolder, names, clock } = this.#parts;
    const key = keyPem.trim() === '' ? findRequestKey(dataFolder, chainPem) : keyPem;
    if (key === undefined) {
      // What is no certificate at all is told first: only then a key is of interest.
      const missing = { certificatePem: chainPem, keyPem: '', names: [], now: clock.now() };
      if (!chainPem.includes('BEGIN CERTIFICATE')) checkCertificate(missing);
      throw new ApplianceError('malformed', 'certificate.no-key', 'its key is not here', {
        hint: 'It was not asked for with a request of this appliance: give its private key, too.',
      });
    }
    const checked = checkCertificate({ certificatePem: chainPem, keyPem: key, names: names(), now: clock.now() });
    await this.#parts.store.core.transaction(async tx => {
      const { subject, issuer, expiresAt, label } = checked;
      const detail = { label, subject: oneLine(subject), issuer: oneLine(issuer), expiresAt };
      await this.#parts.audit.append(tx, { event: 'certificate.installed', actor, detail });
      installCertificate(dataFolder, checked); // the last that can fail
    });
  }

  /** Takes an uploaded one away, or the key of a request; browsers then see another, or the appliance's own. */
  async remove(actor: Actor, label: string): Promise<void> {
    const paths = [join(this.#folder(PUBLIC_FOLDER), `${label}.crt`), join(this.#folder(KEYS_FOLDER), `${label}.key`)];
    if (!LABEL.test(label) || !paths.some(path => existsSync(path))) {
      throw new ApplianceError('missing', 'certificate.missing', 'that certificate is not there any more');
    }
    await this.#parts.store.core.transaction(async tx => {
      await this.#parts.audit.append(tx, { event: 'certificate.removed', actor, detail: { label } });
      for (const path of paths) rmSync(path, { force: true }); // the certificate first: never one without its key
    });
    for (const folder of [PUBLIC_FOLDER, KEYS_FOLDER]) syncFolder(this.#folder(folder));
  }

  /** A new key and certificate of the appliance's own authority, now. */
  async renew(actor: Actor): Promise<void> {
    await this.#renew(actor, 'an admin wanted it');
  }

  async #renew(actor: Actor, why: string): Promise<void> {
    const names = this.#parts.names();
    await this.#parts.certify(names);
    await this.#say(actor, 'certificate.renewed', { names: names.join(', '), why });
  }

  async #say(actor: Actor, event: string, detail: Readonly<Record<string, string>>): Promise<void> {
    await this.#parts.store.core.transaction(tx => this.#parts.audit.append(tx, { event, actor, detail }));
  }

  #folder(name: string): string {
    return join(this.#parts.dataFolder, name);
  }

  #facts(label: string): CertificateFacts | null {
    let certificate: X509Certificate;
    try {
      certificate = new X509Certificate(readFileSync(join(this.#folder(PUBLIC_FOLDER), `${label}.crt`)));
    } catch {
      return null; // the page says that it can't be read
    }
    const [from, to] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()];
    const daysLeft = Math.floor((to - this.#parts.clock.now()) / DAY_MS);
    const missing = this.#parts.names().filter(name => !coversName(certificate, name));
    return {
      subject: oneLine(certificate.subject),
      issuer: oneLine(certificate.issuer),
      names: (certificate.subjectAltName ?? '').replaceAll(/DNS:|IP Address:/g, ''),
      ...{ from, to, daysLeft, isSoon: daysLeft < SOON_DAYS, missing: missing.join(', ') },
      fingerprint: certificate.fingerprint256,
    };
  }
}

function namesIn(folder: string, ending: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter(name => name.endsWith(ending))
    .map(name => name.slice(0, -ending.length))
    .sort();
}

function oneLine(name: string): string {
  return name.replaceAll('\n', ', ');
}
