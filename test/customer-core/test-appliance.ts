// An appliance in this process, as the customer's side meets it: signs what the real one signs, keeps what it is told, and
// can be made to be away, to refuse, and to lie. Beside it a real console end of a real link.
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { nodeCrypto } from '../../appliance/applet/node-crypto.ts';
import { newStreamHash } from '../../appliance/applet/node-stream-hash.ts';
import type { Cancel, Clock } from '../../appliance/clock.ts';
import { CustomerSession } from '../../appliance/customer-core/customer-session.ts';
import type { Desktop } from '../../appliance/customer-core/desktop.ts';
import { MemoryHostLog } from '../../appliance/customer-core/host-log.ts';
import {
  type ConsentReceipt,
  parseReceipt,
  parseReport,
  RETURN_DOMAIN,
  type Report,
  writeReturn,
} from '../../appliance/customer-core/objects.ts';
import type {
  CustomerAction,
  CustomerSessionOptions,
  MessageSocket,
} from '../../appliance/customer-core/session-parts.ts';
import { WindowModel } from '../../appliance/customer-core/window-model.ts';
import { parseSessionId, sessionGuidFrom, sessionIdFrom, toBase64Url } from '../../appliance/guid.ts';
import type { PinnedKey } from '../../appliance/link/credential-check.ts';
import { HandshakeGuard } from '../../appliance/link/handshake-guard.ts';
import { Link } from '../../appliance/link/link.ts';
import type { Path, PathListener } from '../../appliance/link/path.ts';
import { gatewayToken, linkPsk } from '../../appliance/link/session-secrets.ts';
import type { LinkStream } from '../../appliance/link/stream.ts';
import {
  type AttachPurpose,
  type FromApplet,
  type FromAppliance,
  LEG_ALIVE_MS,
  parseFromApplet,
  writeLegMessage,
} from '../../appliance/protocol/applet-leg.ts';
import { type Bytes, equalBytes } from '../../appliance/protocol/bytes.ts';
import { type CanonicalValue, canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import { type ChatMessage, parseChat, writeChat } from '../../appliance/protocol/chat.ts';
import { type ConsentMessage, parseConsent, writeConsent } from '../../appliance/protocol/consent.ts';
import { RECEIPT_DOMAIN, type RecordingReceipt, receiptObject } from '../../appliance/protocol/recording-receipt.ts';
import { type Signed, signedMessage } from '../../appliance/protocol/signed.ts';
import { MemoryPair, TestIssuer } from '../link/support.ts';
import { ManualClock } from '../support/manual-clock.ts';

export const random = (bytes: number): Bytes => new Uint8Array(randomBytes(bytes));
const RECEIPT_KID = 'receipts-key-001';
const TECHNICIAN = { id: toBase64Url(random(16)), name: 'Tina' };

export type PolicyFields = {
  readonly actions: string[];
  readonly maxConsentMs: number;
  readonly singlePrompt: boolean;
  readonly codesMatch: boolean;
  readonly forcedRecording: boolean;
  readonly pauseRecording: boolean;
  readonly customerAway: string;
};
export const policy: PolicyFields = {
  actions: ['launch-desktop-viewing', 'launch-remote-control', 'send-files'],
  ...{
    maxConsentMs: 600_000,
    singlePrompt: false,
    codesMatch: false,
    forcedRecording: false,
    pauseRecording: false,
    customerAway: 'continue',
  },
};

/** Lets what is under way in this process go on. */
export async function turns(count = 8): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise(resolve => setImmediate(resolve));
}

/** One connection of the applet's own leg, at its far end. */
export class TestLeg {
  readonly gateway: string;
  readonly socket: MessageSocket;
  readonly heard: FromApplet[] = [];
  isClaimed = false;
  isOpen = true;
  readonly nonce = random(16);
  readonly #appliance: TestAppliance;
  #listener: PathListener | null = null;
  #early: Bytes[] = [];

  constructor(appliance: TestAppliance, gateway: string) {
    this.#appliance = appliance;
    this.gateway = gateway;
    this.socket = {
      listen: listener => {
        this.#listener = listener;
        for (const bytes of this.#early.splice(0)) listener.message(bytes);
      },
      send: bytes => {
        if (this.isOpen) setImmediate(() => this.#receive(bytes));
      },
      close: () => this.cut(),
    };
    this.send({ type: 'challenge', nonce: this.nonce });
  }

  send(message: FromAppliance): void {
    this.sendBytes(writeLegMessage(message));
  }

  sendBytes(bytes: Bytes): void {
    setImmediate(() => {
      if (!this.isOpen) return;
      if (this.#listener === null) this.#early.push(bytes);
      else this.#listener.message(bytes);
    });
  }

  cut(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    setImmediate(() => this.#listener?.closed());
  }

  #receive(bytes: Bytes): void {
    if (!this.isOpen || this.#appliance.isDeaf) return;
    const message = parseFromApplet(bytes);
    this.heard.push(message);
    this.#appliance.heard(this, message);
  }
}

export interface TestWish {
  /** The machine's own clock, where the applet is another process. */
  readonly clock?: Clock;
  readonly issuer?: TestIssuer;
  readonly gateways?: readonly string[];
  readonly policy?: Partial<PolicyFields>;
  readonly entry?: 'guid' | 'pin';
  readonly actions?: ReadonlyMap<string, CustomerAction>;
  readonly desktop?: Desktop;
  readonly organisation?: string;
}

export class TestAppliance {
  readonly clock = new ManualClock();
  readonly issuer: TestIssuer;
  readonly sid = sessionIdFrom(random(16));
  readonly guid = sessionGuidFrom(random(16));
  readonly view: WindowModel;
  readonly hostLog = new MemoryHostLog();
  readonly legs: TestLeg[] = [];
  readonly reports: Report[] = [];
  readonly receipts: ConsentReceipt[] = [];
  readonly over: string[] = [];
  readonly done: string[] = [];
  policy: PolicyFields;
  /** No new connection gets through. */
  isAway = false;
  /** Connections stand, but nobody is at their end. */
  isDeaf = false;
  acknowledges = true;
  leases = true;
  grants = true;
  /** `lose`: taken, but the answer never arrives. `drop`: the claim itself never arrives. */
  claims: 'take' | 'refuse' | 'lose' | 'drop' = 'take';
  /** What is changed in each lease or credential before it is signed, to see it refused. */
  leaseLie: Readonly<Record<string, CanonicalValue>> = {};
  credentialLie: Readonly<Record<string, CanonicalValue>> = {};
  /** A lease waits for this. */
  leaseGate: Promise<void> | null = null;
  /** Whose session an applet is told it has, if not its own. */
  answersFor: string | null = null;
  readonly #key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly #receipts = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly #time: Clock;
  readonly #wish: TestWish;
  #session: CustomerSession | null = null;
  #chain: Bytes = new Uint8Array(32);
  #leaseCounter = 0;
  #isClaimed = false;
  readonly #cancel: Cancel;
  readonly #relays = new Map<string, MemoryPair>();

  constructor(wish: TestWish = {}) {
    this.#wish = wish;
    this.#time = wish.clock ?? this.clock;
    this.issuer = wish.issuer ?? new TestIssuer();
    this.policy = { ...policy, ...wish.policy };
    this.view = new WindowModel(wish.organisation ?? 'Example Ltd');
    this.#cancel = this.#time.every(LEG_ALIVE_MS, () => {
      for (const leg of this.open) if (!this.isDeaf) leg.send({ type: 'alive' });
    });
  }

  /** SPKI of the applet's signing key. */
  get appletKey(): Uint8Array {
    return new Uint8Array(this.#key.publicKey.export({ format: 'der', type: 'spki' }));
  }

  get receiptKey(): PinnedKey {
    const spki = this.#receipts.publicKey.export({ format: 'der', type: 'spki' });
    return { kid: RECEIPT_KID, publicKey: new Uint8Array(spki) };
  }

  /** As the recorder has it signed. */
  receipt(receipt: Omit<RecordingReceipt, 'kid'>): Signed {
    const payload = canonicalBytes({ ...receiptObject(receipt), kid: RECEIPT_KID });
    const key = { key: this.#receipts.privateKey, dsaEncoding: 'ieee-p1363' as const };
    return { payload, signature: new Uint8Array(sign('sha256', signedMessage(RECEIPT_DOMAIN, payload), key)) };
  }

  /** The customer's side in this process. */
  get session(): CustomerSession {
    this.#session ??= new CustomerSession(this.#options(this.#wish));
    return this.#session;
  }

  /** A connection of the applet's own leg. */
  connectLeg(gateway: string): TestLeg {
    const leg = new TestLeg(this, gateway);
    this.legs.push(leg);
    return leg;
  }

  /** The applet's end of a relay, once for each token. */
  takeRelay(token: string): Path | undefined {
    const pair = this.#relays.get(token);
    this.#relays.delete(token);
    return pair?.applet;
  }

  /** For an appliance that runs by the machine's clock. */
  close(): void {
    this.#cancel();
    for (const leg of this.open) leg.cut();
  }

  #options(wish: TestWish): CustomerSessionOptions {
    const { clock, guid, view, hostLog } = this;
    const entry = wish.entry === 'pin' ? { kind: 'pin', pin: '123456789' } : { kind: 'guid', guid: guidCopy(guid) };
    const spki = new Uint8Array(this.#key.publicKey.export({ format: 'der', type: 'spki' }));
    return {
      ...{ clock, view, crypto: nodeCrypto, entry: entry as CustomerSessionOptions['entry'] },
      key: {
        spki,
        sign: message =>
          new Uint8Array(sign('sha256', message, { key: this.#key.privateKey, dsaEncoding: 'ieee-p1363' })),
      },
      ...{ platform: 'linux-x64', language: 'en', keys: [this.issuer.pinned], unacknowledgedBytes: 1 << 20 },
      organisation: wish.organisation ?? 'Example Ltd',
      gateways: wish.gateways ?? ['gateway-1'],
      openLeg: async gateway => {
        if (this.isAway) throw new Error('nobody there');
        return this.connectLeg(gateway).socket;
      },
      openRelay: async ({ token }) => {
        const path = this.takeRelay(toBase64Url(token));
        if (path === undefined) throw new Error('the token is not good');
        return path;
      },
      openHostLog: () => hostLog,
      actions: wish.actions ?? new Map(),
      desktop: wish.desktop ?? null,
      recording: { keys: [this.receiptKey], newHash: newStreamHash },
      over: reason => this.over.push(reason),
    };
  }

  get open(): TestLeg[] {
    return this.legs.filter(({ isOpen }) => isOpen);
  }

  /** The leg the applet uses. */
  get leg(): TestLeg {
    const leg = this.open.find(({ isClaimed }) => isClaimed);
    if (leg === undefined) throw new Error('there is no leg');
    return leg;
  }

  /** What the applet said on any leg. */
  all<Type extends FromApplet['type']>(type: Type): Extract<FromApplet, { type: Type }>[] {
    const said = this.legs.flatMap(({ heard }) => heard);
    return said.filter((message): message is Extract<FromApplet, { type: Type }> => message.type === type);
  }

  /** Time goes on in steps that let answers come: a path is dead after 600 ms without any. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 200) {
      this.clock.advance(Math.min(200, left));
      await turns(3);
    }
    await turns();
  }

  /** Started, claimed, and the time known. */
  async start(): Promise<void> {
    await this.session.start();
    await turns();
  }

  /** A technician has picked up, and his console shakes hands. */
  async connect(technician = TECHNICIAN): Promise<TestConsole> {
    this.leg.send({ type: 'state', state: 'active', technician: technician.name });
    await turns();
    const pair = this.offer('handshake');
    const link = await Link.connectConsole(await this.consoleOptions(technician.id), pair.console);
    const console = new TestConsole(link, this, pair);
    await turns();
    return console;
  }

  async consoleOptions(sub = TECHNICIAN.id) {
    const { sid, issuer } = this;
    const clock = this.#time;
    return {
      ...{ crypto: nodeCrypto, clock, sid, keys: [issuer.pinned], caps: [], guard: new HandshakeGuard() },
      psk: await linkPsk(nodeCrypto, this.guid, sid),
      ...{ trustedNow: () => clock.now(), unacknowledgedBytes: 1 << 20 },
      certify: async (spk: Bytes) => issuer.credential('console', sid, spk, { sub, ...this.#lifetime() }),
    };
  }

  /** A relay; the applet is told of it. */
  offer(purpose: AttachPurpose, legs: readonly TestLeg[] = [this.leg]): MemoryPair {
    const pair = new MemoryPair();
    const token = random(32);
    this.#relays.set(toBase64Url(token), pair);
    for (const leg of legs) leg.send({ type: 'attach', gateway: leg.gateway, token, purpose });
    return pair;
  }

  /** One more path, beside the gateway: it is attached at both ends, and in use. */
  async attachDirect(console: TestConsole, pair: MemoryPair): Promise<void> {
    const token = random(32);
    this.#relays.set(toBase64Url(token), pair);
    this.leg.send({ type: 'attach', gateway: this.leg.gateway, token, purpose: 'attach' });
    console.link.choosePath(await console.link.attachPath(pair.console));
    await turns();
  }

  signed(type: string, fields: Record<string, CanonicalValue | Bytes>): Signed {
    const plain = Object.entries(fields).map(([name, value]): [string, CanonicalValue] => [
      name,
      value instanceof Uint8Array ? toBase64Url(value) : value,
    ]);
    return this.issuer.sign({ v: 1, type, kid: this.issuer.pinned.kid, ...Object.fromEntries(plain) });
  }

  grantFor({ linkId, handshake, sub, action, scope, consentId, ttlMs }: ConsentReceipt): Signed {
    return this.signed('grant', { sid: this.sid, linkId, handshake, sub, action, scope, consentId, ttlMs });
  }

  heard(leg: TestLeg, message: FromApplet): void {
    switch (message.type) {
      case 'pin':
        return void leg.send({ type: 'entered', sid: this.sid, guid: guidCopy(this.guid) });
      case 'claim':
      case 'return':
        return void this.#enter(leg, message);
      case 'ask-time':
        return void leg.send({
          type: 'time',
          ...this.signed('time', { nonce: message.nonce, time: this.#time.now() }),
        });
      case 'certify':
        return void this.#certify(leg, message);
      case 'ask-lease':
        return void this.#lease(leg, message);
      case 'report':
        return void this.#report(leg, message);
      case 'receipt':
        return void this.#receipt(leg, message);
      case 'end':
        return void leg.send({ type: 'ended', reason: message.reason, head: 'head-of-the-log' });
    }
  }

  async #enter(leg: TestLeg, message: Extract<FromApplet, { type: 'claim' | 'return' }>): Promise<void> {
    if (this.claims === 'drop') return leg.cut();
    const isToken = equalBytes(message.token, await gatewayToken(nodeCrypto, this.guid));
    const isOwn = this.#isClaimed && message.type === 'return' && (await this.#isOwn(leg, message.signature));
    const isGood = message.type === 'claim' ? !this.#isClaimed : isOwn;
    if (!isToken || !isGood || this.claims === 'refuse') return leg.send({ type: 'refused', reason: 'refused' });
    this.#isClaimed = true;
    if (this.claims === 'lose') return leg.cut();
    leg.isClaimed = true;
    leg.send({
      type: 'claimed',
      sid: parseSessionId(this.answersFor ?? this.sid),
      organisation: 'Example Ltd',
      silenceMs: 60_000,
    });
  }

  async #isOwn(leg: TestLeg, signature: Bytes): Promise<boolean> {
    const spki = this.all('claim')[0]?.apk ?? random(91);
    const signedBytes = signedMessage(
      RETURN_DOMAIN,
      writeReturn(leg.nonce, await nodeCrypto.sha256(await gatewayToken(nodeCrypto, this.guid))),
    );
    return nodeCrypto.verifyEs256(spki, signedBytes, signature);
  }

  #lifetime() {
    return { nbf: this.#time.now() - 1000, exp: this.#time.now() + 300_000 };
  }

  #certify(leg: TestLeg, { spk, nonce }: { spk: Bytes; nonce: Bytes }): void {
    const bytes = canonicalBytes({ ...this.policy });
    const [claim] = this.all('claim');
    const credential = this.issuer.credential('applet', this.sid, spk, {
      ...{ ...this.#lifetime(), nonce: toBase64Url(nonce), apk: toBase64Url(claim?.apk ?? random(64)) },
      ...{ policy: createHash('sha256').update(bytes).digest('base64url'), ...this.credentialLie },
    });
    leg.send({ type: 'credential', ...credential, policy: bytes });
  }

  async #lease(leg: TestLeg, { linkId, nonce }: { linkId: Bytes; nonce: Bytes }): Promise<void> {
    await this.leaseGate;
    if (!this.leases) return void leg.send({ type: 'lease-refused', reason: 'no-rights' });
    const fields = { sid: this.sid, linkId, sub: this.sub, counter: ++this.#leaseCounter, nonce, ttlMs: 60_000 };
    leg.send({ type: 'lease', ...this.signed('lease', { ...fields, ...this.leaseLie }) });
  }

  /** The member the leases are for. */
  sub: string = TECHNICIAN.id;

  #report(leg: TestLeg, { payload }: Signed): void {
    const report = parseReport(payload);
    if (report.count > this.reports.length) {
      if (report.count !== this.reports.length + 1) throw new Error('a gap in the reports');
      if (!equalBytes(report.previous, this.#chain)) throw new Error('the chain of reports is broken');
      this.#chain = new Uint8Array(createHash('sha256').update(payload).digest());
      this.reports.push(report);
    }
    if (this.acknowledges) leg.send({ type: 'acknowledged', count: this.reports.length });
  }

  #receipt(leg: TestLeg, { payload }: Signed): void {
    const receipt = parseReceipt(payload);
    this.receipts.push(receipt);
    if (receipt.answer !== 'yes' || !this.grants) return;
    leg.send({ type: 'grant', consent: receipt.consentId, ...this.grantFor(receipt) });
  }
}

function guidCopy(guid: Uint8Array) {
  return sessionGuidFrom(Uint8Array.from(guid)) as ReturnType<typeof sessionGuidFrom> & Bytes;
}

/** A technician's end of the link. */
export class TestConsole {
  readonly link: Link;
  readonly pair: MemoryPair;
  readonly chat: LinkStream;
  readonly consent: LinkStream;
  readonly chatHeard: ChatMessage[] = [];
  readonly consentHeard: ConsentMessage[] = [];
  /** Answers `received` by itself. */
  confirms = true;
  readonly #waiting = new Set<() => void>();
  readonly #view: WindowModel | null;
  readonly #answer: (consentId: string, answer: 'yes' | 'no') => void;

  constructor(link: Link, appliance: TestAppliance | null = null, pair = new MemoryPair()) {
    this.#view = appliance?.view ?? null;
    this.#answer = (consentId, answer) => appliance?.session.answer(consentId, answer);
    this.link = link;
    this.pair = pair;
    this.chat = link.openStream('chat', 2);
    this.consent = link.openStream('consent', 0);
    this.chat.listen({
      message: bytes => {
        const message = parseChat(bytes);
        this.chatHeard.push(message);
        if (message.type === 'line' && this.confirms) this.chat.send(writeChat({ type: 'received', id: message.id }));
      },
    });
    this.consent.listen({
      message: bytes => {
        this.consentHeard.push(parseConsent(bytes));
        for (const look of this.#waiting) look();
      },
    });
  }

  say(text: string, id = random(16)): Bytes {
    this.chat.send(writeChat({ type: 'line', id, text }));
    return id;
  }

  async request(action: string, scope = ''): Promise<Bytes> {
    const request = random(16);
    this.consent.send(writeConsent({ type: 'request', request, action, scope }));
    await turns();
    return request;
  }

  /** Asks, and the customer says this. */
  async ask(action: string, answer: 'yes' | 'no' = 'yes', scope = ''): Promise<Bytes> {
    const request = await this.request(action, scope);
    const question = this.#view?.state.question ?? null;
    if (question === null) throw new Error('there is no question on the screen');
    this.#answer(question.consentId, answer);
    await turns(20);
    return request;
  }

  /** Resolves when this was said about a request, however long it is on its way. */
  async told(request: Bytes, what: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => {
      if (this.about(request).includes(what)) resolve();
    };
    this.#waiting.add(look);
    look();
    await promise;
    this.#waiting.delete(look);
  }

  /** What was said about a request, as `type` or `type:detail`. */
  about(request: Bytes): string[] {
    return this.consentHeard
      .filter(message => equalBytes(message.request, request))
      .map(message => {
        if (message.type === 'answer') return `answer:${message.answer}`;
        return message.type === 'end' ? `end:${message.by}:${message.reason}` : message.type;
      });
  }
}
