// A real store, log, tree of groups and session domain, and applets with keys of their own.
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { type Actor, applianceActor } from '../../appliance/audit/entry.ts';
import type { Clock } from '../../appliance/clock.ts';
import {
  type AppletSigned,
  CONSENT_DOMAIN,
  type ConsentReceipt,
  REPORT_DOMAIN,
  type Report,
  writeReceipt,
  writeReport,
} from '../../appliance/customer-core/objects.ts';
import { fromBase64Url, type SessionId, toBase64Url } from '../../appliance/guid.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { type Editor, Groups } from '../../appliance/permissions/groups.ts';
import { completeSessionObject, type SessionType, type SignedObject } from '../../appliance/pki/session-objects.ts';
import { DOMAINS, signPayload } from '../../appliance/pki/signature.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import { ActionLog } from '../../appliance/sessions/action-log.ts';
import { ChannelEntries } from '../../appliance/sessions/channel-entries.ts';
import { Channels } from '../../appliance/sessions/channels.ts';
import { Chat } from '../../appliance/sessions/chat.ts';
import { Entries } from '../../appliance/sessions/entries.ts';
import { LegTokens } from '../../appliance/sessions/leg-tokens.ts';
import { Rights } from '../../appliance/sessions/rights.ts';
import { gatewayToken } from '../../appliance/sessions/session-secrets.ts';
import { Sessions, type SessionsOptions } from '../../appliance/sessions/sessions.ts';
import { openTestAudit } from '../support/audit.ts';

export const newId = () => toBase64Url(randomBytes(16));
/** What the gateway passes on of a token of 43 characters. */
export const digestOf = (token: string) => sha256(fromBase64Url(token)).toString('base64url');
export const newHash = () => toBase64Url(randomBytes(32));

export function technician(name = 'Tina', id = newId()): Actor & { id: string; name: string } {
  return { kind: 'member', id, name, address: '192.0.2.10' };
}

export const master: Editor = { actor: technician('Mara'), roles: ['master-admin'] };
/** Where members are real, and Mara is none of them. */
export const installer: Editor = { actor: applianceActor, roles: ['master-admin'] };
export const CUSTOMER_ADDRESS = '198.51.100.7';

/** Signs as an applet does; canonical bytes in, r ‖ s out. */
export class TestApplet {
  readonly spki: string;
  readonly #key: KeyObject;
  #count = 0;
  #previous: Uint8Array<ArrayBuffer> = new Uint8Array(32);

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.spki = publicKey.export({ type: 'spki', format: 'der' }).toString('base64url');
    this.#key = privateKey;
  }

  sign(domain: string, payload: Uint8Array): Uint8Array<ArrayBuffer> {
    const signed = Buffer.concat([Buffer.from(`${domain}\0`), payload]);
    return new Uint8Array(sign('sha256', signed, { key: this.#key, dsaEncoding: 'ieee-p1363' }));
  }

  receipt(over: Partial<ConsentReceipt> & Pick<ConsentReceipt, 'sid' | 'sub' | 'linkId' | 'handshake'>): AppletSigned {
    const payload = writeReceipt({
      technician: 'Tina',
      organisation: 'Example Ltd',
      action: 'launch-desktop-viewing',
      scope: '',
      consentId: new Uint8Array(randomBytes(16)),
      under: null,
      wording: 'consent.launch-desktop-viewing.1',
      language: 'en',
      answer: 'yes',
      askedAt: 0,
      answeredAt: 0,
      ttlMs: 600_000,
      ...over,
    });
    return { payload, signature: this.sign(CONSENT_DOMAIN, payload) };
  }

  /** The next of its chain, unless count or previous are given. */
  report(sid: SessionId, over: Partial<Report> = {}): AppletSigned {
    const none = { at: 0, stage: 'asked' as const, action: 'send-files', detail: '' };
    const empty = { consentId: new Uint8Array(16), digest: new Uint8Array(32) };
    const count = over.count ?? this.#count + 1;
    const payload = writeReport({ sid, previous: this.#previous, ...none, ...empty, ...over, count });
    this.#count = count;
    this.#previous = new Uint8Array(sha256(payload));
    return { payload, signature: this.sign(REPORT_DOMAIN, payload) };
  }
}

export async function openSessions(config: { pinDigits?: number; pinMinutes?: number } = {}) {
  const at = await openTestAudit();
  const metrics = new Metrics();
  const parts = { store: at.store, audit: at.audit, clock: at.clock, log: silentLog, metrics };
  const groups = new Groups(parts);
  const hooks: { onOver: SessionsOptions['onOver'] } = { onOver: undefined };
  const sessions = new Sessions({ ...parts, onOver: async (tx, id) => hooks.onOver?.(tx, id) });
  const pinKey = randomBytes(32);
  const entries = new Entries({ ...parts, sessions, pinKey, config: { pinDigits: 9, pinMinutes: 20, ...config } });
  const channels = new Channels({ ...parts, groups });
  const channelEntries = new ChannelEntries({ ...parts, channels, sessions, entries });
  const legs = new LegTokens({ ...parts, sessions });
  const chat = new Chat({ ...parts, sessions, groups });
  const actions = new ActionLog({ ...parts, sessions, chat, groups });
  const { publicKey: signerKey, signer } = newSigner(at.clock);
  const barred = new Set<string>();
  const rights = new Rights({
    ...parts,
    sessions,
    groups,
    signer,
    authority: async id => id !== '' && !barred.has(id),
  });
  const logged = at.entries;
  return {
    ...{
      ...at,
      hooks,
      logged,
      metrics,
      groups,
      sessions,
      entries,
      channels,
      channelEntries,
      legs,
      chat,
      actions,
      rights,
      barred,
      signerKey,
    },
    waiting: (owner = technician(), groupId = ROOT_GROUP_ID) => makeWaiting({ sessions, entries }, owner, groupId),
    active: (owner = technician(), groupId = ROOT_GROUP_ID) =>
      makeActive({ sessions, entries, clock: at.clock }, owner, groupId),
    claim: (code: string) => claimBy(entries, code),
    events: async (id: SessionId) => (await logged()).filter(entry => entry.sessionId === id).map(entry => entry.event),
    close: async () => {
      rights.close();
      await actions.close();
      await sessions.close();
      await at.close();
    },
  };
}

// As the signer does it, but for its process and its memory of keys: what it would refuse to sign, this does.
export function newSigner(clock: Clock) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signer = {
    async signSessionObject(object: SignedObject, type: SessionType) {
      const { payload } = completeSessionObject(type, object, 'test-session-key', clock.now());
      return { payload, signature: signPayload(DOMAINS.session, payload, privateKey) };
    },
    async signManifest(object: SignedObject) {
      const payload = canonicalBytes({ ...object, kid: 'test-manifest-key' });
      return { kid: 'test-manifest-key', payload, signature: signPayload(DOMAINS.manifest, payload, privateKey) };
    },
  };
  return { publicKey, signer };
}

interface Parts {
  readonly sessions: Sessions;
  readonly entries: Entries;
}

/** Made, claimed and waiting. */
async function makeWaiting({ sessions, entries }: Parts, owner: ReturnType<typeof technician>, groupId: string) {
  const { id } = await sessions.create(owner, { groupId, customerName: 'Carl' });
  const { code } = await entries.makeLink(id, owner);
  return { id, owner, code, ...(await claimBy(entries, code)) };
}

async function claimBy(entries: Entries, code: string) {
  const { guid } = await entries.drawGuid(code, CUSTOMER_ADDRESS);
  const token = gatewayToken(guid);
  const applet = new TestApplet();
  await entries.claim(sha256(token), applet.spki, CUSTOMER_ADDRESS);
  return { guid, token, applet };
}

/** Picked up, with a link. */
async function makeActive(parts: Parts & { clock: Clock }, owner: ReturnType<typeof technician>, groupId: string) {
  const made = await makeWaiting(parts, owner, groupId);
  await parts.sessions.pickUp(made.id, owner);
  const [linkId, handshakeHash] = [newId(), newHash()];
  await parts.sessions.startLink(made.id, { linkId, handshakeHash });
  const link = { linkId: fromBase64Url(linkId), handshake: fromBase64Url(handshakeHash) };
  const receipt = (over: Partial<ConsentReceipt> = {}) => {
    const now = parts.clock.now();
    return made.applet.receipt({ sid: made.id, sub: owner.id, ...link, askedAt: now, answeredAt: now, ...over });
  };
  return { ...made, linkId, handshakeHash, receipt };
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
