// Messages on the stream `consent`, canonical JSON: what a technician asks for and what became of it.
//   C→A request {request, action, scope}      the technician asks
//   A→C asked   {request, consent}            the question is on the customer's screen; `consent` is its id
//   A→C answer  {request, consent, answer, ttlMs}   yes, no, or silence, which is a no; ttlMs is 0 unless yes
//   A→C started {request, grantNumber}        the appliance's grant came on the applet's own leg, and the start is in the
//                                             log; each input record carries the number, older ones are dropped
//   both end    {request, by, reason}         stops it at once
import { toBase64Url } from '../guid.ts';
import { type Bytes, malformed } from './bytes.ts';
import { type CanonicalValue, canonicalBytes } from './canonical-json.ts';
import { Fields } from './fields.ts';
import { MAX_GRANT_MS } from './signed.ts';

export const CONSENT_STREAM = 'consent';
export const CONSENT_PRIORITY = 0;
const ID_BYTES = 16;
const TYPES = ['request', 'asked', 'answer', 'started', 'end'] as const;
const ANSWERS = ['yes', 'no', 'silence'] as const;
const ENDED_BY = ['customer', 'technician', 'appliance', 'time'] as const;

/**
 * What can be asked of a customer, each by the name of its permission. The permissions that are not here, making sessions
 * and handing them over, are no business of the customer's computer: no question and no grant ever names them.
 */
export const askableActions = [
  'launch-remote-control',
  'reboot',
  'launch-desktop-viewing',
  'record-sessions',
  'send-files',
  'receive-files',
  'launch-file-manager',
  'request-windows-credentials',
  'send-urls',
  'clipboard-synchronisation',
  'view-system-information',
  'deploy-scripts',
  'single-prompt',
  'share-technician-screen',
] as const;
export type AskableAction = (typeof askableActions)[number];

export type Answer = (typeof ANSWERS)[number];
export type EndedBy = (typeof ENDED_BY)[number];

export type ConsentMessage =
  | { readonly type: 'request'; readonly request: Bytes; readonly action: string; readonly scope: string }
  | { readonly type: 'asked'; readonly request: Bytes; readonly consent: Bytes }
  | {
      readonly type: 'answer';
      readonly request: Bytes;
      readonly consent: Bytes;
      readonly answer: Answer;
      readonly ttlMs: number;
    }
  | { readonly type: 'started'; readonly request: Bytes; readonly grantNumber: number }
  | { readonly type: 'end'; readonly request: Bytes; readonly by: EndedBy; readonly reason: string };

export function writeConsent(message: ConsentMessage): Bytes {
  const entries = Object.entries(message).map(([name, value]): [string, CanonicalValue] => [
    name,
    value instanceof Uint8Array ? toBase64Url(value) : value,
  ]);
  return canonicalBytes({ v: 1, ...Object.fromEntries(entries) });
}

export function parseConsent(bytes: Bytes): ConsentMessage {
  const fields = Fields.fromCanonical(bytes);
  fields.integer('v', 1, 1);
  const type = fields.oneOf('type', TYPES);
  const message = readConsent(fields, type, fields.bytes('request', ID_BYTES));
  fields.end();
  return message;
}

function readConsent(fields: Fields, type: (typeof TYPES)[number], request: Bytes): ConsentMessage {
  switch (type) {
    case 'request':
      return { type, request, action: fields.name('action'), scope: fields.text('scope', 256) };
    case 'asked':
      return { type, request, consent: fields.bytes('consent', ID_BYTES) };
    case 'answer':
      return readAnswer(fields, request);
    case 'started':
      return { type, request, grantNumber: fields.integer('grantNumber', 1) };
    case 'end':
      return { type, request, by: fields.oneOf('by', ENDED_BY), reason: fields.name('reason') };
  }
}

function readAnswer(fields: Fields, request: Bytes): ConsentMessage {
  const consent = fields.bytes('consent', ID_BYTES);
  const answer = fields.oneOf('answer', ANSWERS);
  const ttlMs = fields.integer('ttlMs', 0, MAX_GRANT_MS);
  if ((answer === 'yes') !== ttlMs > 0) throw malformed('only a yes lasts, and each yes lasts for some time');
  return { type: 'answer', request, consent, answer, ttlMs };
}
