// The applet's own leg to the appliance, beside the link (TRUST: the applet's own leg). A WebSocket at
// `/gateway/applet`, one canonical JSON object in each binary message. The gateway lets it in: it reads the messages that
// show a secret (`claim`, `return`, `ticket`), puts the SHA-256 in its place and passes everything else on as it comes.
// The customer's browser, where there is no download, speaks the very same.
//
//   appliance → applet   challenge                          first of all
//   applet → appliance   [pin → entered] claim | return | ticket → claimed, or refused and the end
//   then, in any order: time, credential, lease, report, receipt and grant, and what the appliance tells by itself
import { toBase64Url } from '../guid.ts';
import { type Bytes, malformed } from './bytes.ts';
import { type CanonicalValue, canonicalBytes } from './canonical-json.ts';
import { Fields } from './fields.ts';
import { MAX_SIGNED_BYTES, SIGNATURE_BYTES } from './signed.ts';

export const APPLET_LEG_PATH = '/gateway/applet';
export const APPLET_LEG_PROTOCOL = 'appliance.applet-leg.v1';
export const MAX_LEG_MESSAGE_BYTES = 16 * 1024;
/** The appliance says `alive` so often; an applet that hears nothing for twice as long takes the leg for dead. */
export const LEG_ALIVE_MS = 10_000;
/** Close codes (RFC 6455 §7.4): `done` and `refused` end it for good; after any other end the applet comes back. */
export const LEG_CLOSE = { done: 1000, refused: 1008, comeBack: 1012 } as const;
export const LEG_PLATFORMS = ['linux-x64', 'win-x64', 'browser'] as const;
export type LegPlatform = (typeof LEG_PLATFORMS)[number];
/** `handshake`: a console waits with its Hello; `attach`: one more path for the link there is. */
export const ATTACH_PURPOSES = ['handshake', 'attach'] as const;
export type AttachPurpose = (typeof ATTACH_PURPOSES)[number];

const ID = 16;
const KEY = 32;
const key = (fields: Fields) => fields.bytes('apk', 64, 128);
const signed = (fields: Fields) => ({
  payload: fields.bytes('payload', 1, MAX_SIGNED_BYTES),
  signature: fields.bytes('signature', SIGNATURE_BYTES),
});

// What each message holds beside its type.
const fromApplet = {
  /** The PIN as it was typed: the appliance draws a GUID for it. */
  pin: (fields: Fields) => ({ pin: fields.line('pin', 100) }),
  /** `token` is T on the wire, and its SHA-256 behind the gateway; `apk` the applet's signing key, SPKI. */
  claim: (fields: Fields) => ({
    token: fields.bytes('token', KEY),
    apk: key(fields),
    platform: fields.oneOf('platform', LEG_PLATFORMS),
    language: fields.line('language', 35),
  }),
  /** The same applet on a new connection: signs `{nonce, token}` under `appliance/applet-return/v1`, token
   * being SHA-256(T). It need not know the session's number: its claim's answer may have been lost. */
  return: (fields: Fields) => ({
    token: fields.bytes('token', KEY),
    signature: fields.bytes('signature', SIGNATURE_BYTES),
  }),
  /** After a granted restart. */
  ticket: (fields: Fields) => ({
    token: fields.bytes('token', KEY),
    ticket: fields.bytes('ticket', KEY),
    apk: key(fields),
    platform: fields.oneOf('platform', LEG_PLATFORMS),
  }),
  'ask-time': (fields: Fields) => ({ nonce: fields.bytes('nonce', ID) }),
  certify: (fields: Fields) => ({ spk: fields.bytes('spk', KEY), nonce: fields.bytes('nonce', ID) }),
  'link-started': (fields: Fields) => ({
    linkId: fields.bytes('linkId', ID),
    handshake: fields.bytes('handshake', KEY),
  }),
  'ask-lease': (fields: Fields) => ({ linkId: fields.bytes('linkId', ID), nonce: fields.bytes('nonce', ID) }),
  report: signed,
  receipt: signed,
  /** What of a recorded stream is proved, counter-signed (protocol/recording-receipt.ts). */
  attestation: signed,
  /** The customer took back what he had allowed; it has stopped already. */
  stopped: (fields: Fields) => ({ consent: fields.bytes('consent', ID) }),
  /** What he said about the short string. */
  codes: (fields: Fields) => ({ linkId: fields.bytes('linkId', ID), match: fields.boolean('match') }),
  end: (fields: Fields) => ({ reason: fields.name('reason') }),
  alive: () => ({}),
};

const fromAppliance = {
  challenge: (fields: Fields) => ({ nonce: fields.bytes('nonce', ID) }),
  entered: (fields: Fields) => ({ sid: fields.sessionId('sid'), guid: fields.bytes('guid', ID) }),
  claimed: (fields: Fields) => ({
    sid: fields.sessionId('sid'),
    organisation: fields.text('organisation', 400),
    silenceMs: fields.integer('silenceMs', 1000, 600_000),
  }),
  /** The reason is for the gateway's counters: an applet is told `refused`, whatever it was. */
  refused: (fields: Fields) => ({ reason: fields.name('reason') }),
  /** Where the session stands (permissions/decision.ts), and the name of the technician once he has picked up. */
  state: (fields: Fields) => ({ state: fields.name('state'), technician: fields.text('technician', 400) }),
  time: signed,
  /** `policy`: the bytes whose SHA-256 the credential names (customer-core/narrowing.ts). */
  credential: (fields: Fields) => ({ ...signed(fields), policy: fields.bytes('policy', 1, MAX_SIGNED_BYTES) }),
  'credential-refused': (fields: Fields) => ({ reason: fields.name('reason') }),
  lease: signed,
  'lease-refused': (fields: Fields) => ({ reason: fields.name('reason') }),
  /** Reports up to this count are on the disk. */
  acknowledged: (fields: Fields) => ({ count: fields.integer('count', 0) }),
  grant: (fields: Fields) => ({ consent: fields.bytes('consent', ID), ...signed(fields) }),
  'grant-refused': (fields: Fields) => ({ consent: fields.bytes('consent', ID), reason: fields.name('reason') }),
  /** A relay leg to be attached with this one-time token at that gateway of the signed list. */
  attach: (fields: Fields) => ({
    gateway: fields.line('gateway', 64),
    token: fields.bytes('token', KEY),
    purpose: fields.oneOf('purpose', ATTACH_PURPOSES),
  }),
  narrowed: (fields: Fields) => ({ policy: fields.bytes('policy', 1, MAX_SIGNED_BYTES) }),
  /** The technician's link and all on it is over, at once. */
  revoked: (fields: Fields) => ({ reason: fields.name('reason') }),
  /** What runs stops; the link stays. */
  stop: (fields: Fields) => ({ reason: fields.name('reason') }),
  /** Both people have said that the codes are the same on this link. */
  compared: (fields: Fields) => ({ linkId: fields.bytes('linkId', ID) }),
  'claimed-twice': () => ({}),
  /** `head`: the last signed head of the log, as text for the customer's report; empty where there is none yet. */
  ended: (fields: Fields) => ({ reason: fields.name('reason'), head: fields.text('head', 1024) }),
  alive: () => ({}),
};

type MessageOf<Shapes extends Record<string, (fields: Fields) => object>> = {
  [Type in keyof Shapes]: { readonly type: Type } & Readonly<ReturnType<Shapes[Type]>>;
}[keyof Shapes];
export type FromApplet = MessageOf<typeof fromApplet>;
export type FromAppliance = MessageOf<typeof fromAppliance>;

export function writeLegMessage(message: FromApplet | FromAppliance): Bytes {
  const entries = Object.entries(message).map(([name, value]): [string, CanonicalValue] => [
    name,
    value instanceof Uint8Array ? toBase64Url(value) : value,
  ]);
  return canonicalBytes(Object.fromEntries(entries));
}

/** @throws ApplianceError `protocol.malformed` */
export function parseFromApplet(bytes: Bytes): FromApplet {
  return read(bytes, fromApplet);
}

/** @throws ApplianceError `protocol.malformed` */
export function parseFromAppliance(bytes: Bytes): FromAppliance {
  return read(bytes, fromAppliance);
}

function read<Shapes extends Record<string, (fields: Fields) => object>>(
  bytes: Bytes,
  shapes: Shapes,
): MessageOf<Shapes> {
  if (bytes.length > MAX_LEG_MESSAGE_BYTES) throw malformed(`a message of ${bytes.length} bytes`);
  const fields = Fields.fromCanonical(bytes);
  const type = fields.oneOf('type', Object.keys(shapes));
  const shape = shapes[type];
  if (shape === undefined) throw malformed('a message nobody knows');
  const message = { type, ...shape(fields) };
  fields.end();
  return message as MessageOf<Shapes>;
}
