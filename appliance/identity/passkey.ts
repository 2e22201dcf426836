// Passkeys and security keys (WebAuthn Level 2) beside the authenticator app: what one is, its limits, and the names of
// this appliance it can be made for (C-03).
import { isIP } from 'node:net';
import { z } from 'zod';
import type { ApplianceConfig } from '../config.ts';
import { ApplianceError } from '../errors.ts';

export const MAX_PASSKEYS = 10;
export const MAX_PASSKEY_NAME_CHARACTERS = 60;
const CONTROL = /\p{C}/u;
const HTTPS_PORT = 443;

export interface Passkey {
  /** 22 characters of base64url; ours, not the authenticator's. */
  readonly id: string;
  readonly name: string;
  /** The name of the appliance it was made for: it answers under no other. */
  readonly rpId: string;
  /** ms UTC */
  readonly createdAt: number;
  /** ms UTC; null before it was used. */
  readonly lastUsedAt: number | null;
}

export const PasskeyPolicy = z.strictObject({
  /** Whether a passkey that verified its user signs in alone, without a password. */
  aloneAllowed: z.boolean(),
});
export type PasskeyPolicy = z.infer<typeof PasskeyPolicy>;

/** A page that asks: its origin, and the name in it, both ours. */
export interface PasskeyPlace {
  readonly origin: string;
  readonly rpId: string;
}

/** @throws ApplianceError `passkey.name-malformed` */
export function parsePasskeyName(text: string): string {
  const name = text.trim().normalize('NFC');
  if (name.length > 0 && name.length <= MAX_PASSKEY_NAME_CHARACTERS && !CONTROL.test(name)) return name;
  const message = `give it a name of 1 to ${MAX_PASSKEY_NAME_CHARACTERS} characters`;
  throw new ApplianceError('malformed', 'passkey.name-malformed', message);
}

/** Origins of our pages: each configured name at each configured port. Under an address there are no passkeys (§5.1.3). */
export function passkeyOrigins({ names, listen, gateways }: Pick<ApplianceConfig, 'names' | 'listen' | 'gateways'>) {
  const ports = gateways.flatMap(({ port }, at) => port ?? (at === 0 ? [listen.port] : []));
  const hosts = names.filter(name => isIP(name) === 0);
  return hosts.flatMap(host => ports.map(port => `https://${host}${port === HTTPS_PORT ? '' : `:${port}`}`));
}
