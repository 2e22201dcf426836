// How a customer gets into a session (D-05 F-01 F-03): by PIN or by link to a download of his own, whose applet claims the
// session once. None of it authenticates him: what comes twice is told to everyone, and then only chat goes on until the
// codes were compared by voice. Refusals never say why.
import { randomBytes } from 'node:crypto';
import type { Actor } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError, defect } from '../errors.ts';
import { fromBase64Url, type SessionGuid, type SessionId, sessionGuidFrom, toBase64Url } from '../guid.ts';
import type { Metrics } from '../metrics.ts';
import type { Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { checkAppletSignature, parseAppletKey } from './applet-signature.ts';
import {
  countLivePins,
  dropExpiredPins,
  findEntryCode,
  findPin,
  insertEntryCode,
  insertPin,
  insertTicket,
  takeTicket,
  usePin,
  voidPins,
} from './entry-store.ts';
import { digestPin, digitsNeeded, drawPin, parsePin } from './pin.ts';
import { PinGuard } from './pin-guard.ts';
import { gatewayToken, linkPsk, sha256 } from './session-secrets.ts';
import { deadlineOf } from './session-state.ts';
import { findByToken, type SessionRow } from './session-store.ts';
import { customerActor, type Sessions } from './sessions.ts';

const CODE_BYTES = 16;
const TICKET_BYTES = 32;
const TICKET_MS = 15 * 60_000;
const MAX_DRAWS = 20;

export interface EntriesOptions {
  readonly store: Store;
  readonly sessions: Sessions;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly config: { readonly pinDigits: number; readonly pinMinutes: number };
  /** 32 bytes, `keys/pin.key`. */
  readonly pinKey: Uint8Array;
  /** This site's digit and how many sites share the budget; none and one until there are sites. */
  readonly site?: { readonly digit: string; readonly count: number };
}

export class Entries {
  readonly #store: Store;
  readonly #sessions: Sessions;
  readonly #clock: Clock;
  readonly #config: EntriesOptions['config'];
  readonly #pinKey: Uint8Array;
  readonly #site: { readonly digit: string; readonly count: number };
  readonly #guard: PinGuard;
  readonly #refused;

  constructor(options: EntriesOptions) {
    this.#store = options.store;
    this.#sessions = options.sessions;
    this.#clock = options.clock;
    this.#config = options.config;
    this.#pinKey = options.pinKey;
    this.#site = options.site ?? { digit: '', count: 1 };
    this.#guard = new PinGuard({ clock: options.clock, metrics: options.metrics, share: 1 / this.#site.count });
    this.#refused = options.metrics.counter('session_entries_refused_total', 'Ways in that were refused, by reason.');
  }

  /** A PIN for a session nobody has claimed; the one before it, if unused, is void. */
  async makePin(id: SessionId, actor: Actor): Promise<{ pin: string; expiresAt: number }> {
    const expiresAt = this.#clock.now() + this.#config.pinMinutes * 60_000;
    const { session, pin } = await this.#store.core.transaction(async tx => {
      const noted = await this.#sessions.noteIn(tx, id, { actor, log: 'session.pin-made', check: checkUnclaimed });
      await voidPins(tx, id);
      return { session: noted, pin: await this.#insertPin(tx, id, expiresAt) };
    });
    this.#sessions.tell(session, 'session.pin-made');
    return { pin, expiresAt };
  }

  /** The code of a link: 22 characters, good until the unclaimed session times out. */
  async makeLink(id: SessionId, actor: Actor): Promise<{ code: string; expiresAt: number }> {
    const code = randomBytes(CODE_BYTES);
    const expiresAt = deadlineOf('connecting', this.#clock.now()) ?? this.#clock.now();
    await this.#store.core.transaction(async tx => {
      await this.#sessions.noteIn(tx, id, { actor, log: 'session.link-made', check: checkUnclaimed });
      await insertEntryCode(tx, { digest: sha256(code), sessionId: id, way: 'link', expiresAt });
    });
    return { code: toBase64Url(code), expiresAt };
  }

  /**
   * Exchanges a typed PIN for an entry code. Slow when many guess.
   * @throws ApplianceError `entry.refused`, `pin.malformed`, `pin.limited`
   */
  async enterByPin(typed: string, address: string): Promise<{ sessionId: SessionId; code: string }> {
    const pin = parsePin(typed);
    const digits = pin.length - this.#site.digit.length;
    const live = await countLivePins(this.#store.core.read, this.#clock.now(), digits);
    const admission = this.#guard.admit(address, Math.max(1, live) / 10 ** digits);
    let isHit = false;
    try {
      await this.#wait(admission.waitMs);
      const entered = await this.#usePin(digestPin(this.#pinKey, pin), address);
      isHit = true;
      return entered;
    } finally {
      admission.settle(isHit);
    }
  }

  /** PINs that are out, unused and in time. */
  countLive(): Promise<number> {
    return countLivePins(this.#store.core.read, this.#clock.now(), null);
  }

  /** What a GET of a link shows; it uses nothing up (mail scanners). @throws ApplianceError `entry.refused` */
  async look(code: string): Promise<SessionRow> {
    const found = await findEntryCode(this.#store.core.read, digestCode(code), this.#clock.now());
    if (found === undefined) throw this.#refuse('unknown-code');
    return this.#sessions.get(found.sessionId);
  }

  /**
   * A download: draws a GUID for it and voids the one drawn before, if no applet has claimed with that. The GUID is
   * returned once and kept nowhere.
   */
  async drawGuid(code: string, address: string): Promise<{ sessionId: SessionId; guid: SessionGuid }> {
    const digest = digestCode(code);
    const guid = sessionGuidFrom(randomBytes(16));
    const result = await this.#store.core.transaction(async tx => {
      const found = await findEntryCode(tx, digest, this.#clock.now());
      if (found === undefined) return null;
      const session = await this.#sessions.get(found.sessionId, tx);
      if (session.claimedAt !== null) return this.#claimedTwice(tx, session, found.way, address);
      const psk = linkPsk(guid, session.id);
      const sealed = await this.#store.sessionKeys.seal(session.id, pskLabel(session.id), psk);
      psk.fill(0);
      const changes = { tokenHash: sha256(gatewayToken(guid)), psk: sealed };
      const actor = { ...customerActor, address };
      const drawn = await this.#sessions.noteIn(tx, session.id, {
        actor,
        log: 'session.download',
        detail: { way: found.way },
        changes,
      });
      return { session: drawn, isGood: true };
    });
    if (result === null) throw this.#refuse('unknown-code');
    if (!result.isGood) return this.#tellTwice(result.session);
    return { sessionId: result.session.id, guid };
  }

  /**
   * An applet presents T after "Start" was pressed in its window. Once.
   * @param tokenHash SHA-256(T): the gateway, which saw T, passes on no more
   * @param appletKey SPKI of the signing key the applet made, base64url
   * @param about what the applet says of itself
   * @throws ApplianceError `entry.refused`
   */
  async claim(
    tokenHash: Uint8Array,
    appletKey: string,
    address: string,
    about: { platform?: string; language?: string } = {},
  ): Promise<SessionRow> {
    parseAppletKey(appletKey);
    const result = await this.#store.core.transaction(async tx => {
      const session = await findByToken(tx, tokenHash);
      if (session === undefined) return null;
      if (session.claimedAt !== null) return this.#claimedTwice(tx, session, 'claim', address);
      const language = languageOf(about.language) ?? session.language;
      const platform = about.platform ?? null;
      const changes = { claimedAt: this.#clock.now(), appletKey, isPresent: true, platform, language };
      const actor = { ...customerActor, address };
      const detail = { appletKey };
      const claimed = await this.#sessions.moveIn(tx, session.id, {
        event: 'applet-here',
        actor,
        log: 'session.claimed',
        detail,
        changes,
      });
      return { session: claimed, isGood: true };
    });
    if (result === null) throw this.#refuse('unknown-token');
    if (!result.isGood) return this.#tellTwice(result.session);
    this.#sessions.tell(result.session, 'session.claimed');
    return result.session;
  }

  /** The same applet again, over a new connection: it signs the nonce this connection was given. */
  async comeBack(
    tokenHash: Uint8Array,
    proof: { nonce: string; signature: string },
    address: string,
  ): Promise<SessionRow> {
    const known = await findByToken(this.#store.core.read, tokenHash);
    if (known?.appletKey == null) throw this.#refuse('unknown-token');
    const payload = { nonce: proof.nonce, token: toBase64Url(tokenHash) };
    checkAppletSignature('appliance/applet-return/v1', payload, proof.signature, known.appletKey);
    return this.#sessions.appletBack(known.id, { ...customerActor, address });
  }

  /** What an applet is given before a granted reboot, inside the link; 15 minutes, once. */
  async makeTicket(id: SessionId): Promise<string> {
    const ticket = randomBytes(TICKET_BYTES);
    const expiresAt = this.#clock.now() + TICKET_MS;
    await this.#store.core.transaction(async tx => {
      const check = ({ state }: SessionRow) => {
        if (state !== 'rebooting') throw new ApplianceError('conflict', 'session.state', 'no reboot was granted');
      };
      await this.#sessions.noteIn(tx, id, { actor: customerActor, log: 'session.ticket-made', check });
      await insertTicket(tx, { digest: sha256(ticket), sessionId: id, expiresAt });
    });
    return toBase64Url(ticket);
  }

  /** After the reboot: a new process with a new key, known by the ticket. The technician sees "returned by ticket". */
  async returnByTicket(
    tokenHash: Uint8Array,
    proof: { ticket: string; appletKey: string },
    address: string,
  ): Promise<SessionRow> {
    parseAppletKey(proof.appletKey);
    const digest = sha256(fromBase64Url(proof.ticket));
    const session = await this.#store.core.transaction(async tx => {
      const found = await findByToken(tx, tokenHash);
      if (found === undefined || !(await takeTicket(tx, digest, found.id, this.#clock.now()))) return null;
      const changes = {
        appletKey: proof.appletKey,
        isPresent: true,
        linkId: null,
        handshakeHash: null,
        reportCount: 0,
        reportHash: null,
      };
      const actor = { ...customerActor, address };
      const detail = { appletKey: proof.appletKey };
      return this.#sessions.moveIn(tx, found.id, {
        event: 'applet-here',
        actor,
        log: 'session.returned-by-ticket',
        detail,
        changes,
      });
    });
    if (session === null) throw this.#refuse('unknown-ticket');
    this.#sessions.tell(session, 'session.returned-by-ticket');
    return session;
  }

  /** The key of the link, for the console and nobody else. @throws ApplianceError `session.over` */
  async openPsk(session: SessionRow): Promise<Uint8Array> {
    if (session.psk === null) throw new ApplianceError('conflict', 'session.over', 'the session has no key of a link');
    return this.#store.sessionKeys.open(session.id, pskLabel(session.id), session.psk);
  }

  async #insertPin(tx: Transaction, sessionId: SessionId, expiresAt: number): Promise<string> {
    const now = this.#clock.now();
    await dropExpiredPins(tx, now);
    const live = await countLivePins(tx, now, null);
    const configured = this.#config.pinDigits - this.#site.digit.length;
    const digits = digitsNeeded(configured, live, 1 / this.#site.count);
    for (let draws = 0; draws < MAX_DRAWS; draws++) {
      const pin = drawPin(this.#site.digit, digits);
      const digest = digestPin(this.#pinKey, pin);
      if ((await findPin(tx, digest)) !== undefined) continue;
      await insertPin(tx, { digest, digits, sessionId, expiresAt });
      return pin;
    }
    throw defect('no free PIN was drawn');
  }

  async #usePin(digest: Uint8Array, address: string): Promise<{ sessionId: SessionId; code: string }> {
    const code = randomBytes(CODE_BYTES);
    const result = await this.#store.core.transaction(async tx => {
      const now = this.#clock.now();
      const pin = await findPin(tx, digest);
      if (pin === undefined) return null;
      const session = await this.#sessions.get(pin.sessionId, tx);
      if (session.claimedAt !== null) return this.#claimedTwice(tx, session, 'pin', address);
      if (!(await usePin(tx, digest, now))) return null;
      const actor = { ...customerActor, address };
      const entered = await this.#sessions.noteIn(tx, session.id, { actor, log: 'session.pin-used' });
      const expiresAt = now + this.#config.pinMinutes * 60_000;
      await insertEntryCode(tx, { digest: sha256(code), sessionId: session.id, way: 'pin', expiresAt });
      return { session: entered, isGood: true };
    });
    if (result === null) throw this.#refuse('unknown-pin');
    if (!result.isGood) return this.#tellTwice(result.session);
    this.#sessions.tell(result.session, 'session.pin-used');
    return { sessionId: result.session.id, code: toBase64Url(code) };
  }

  // Someone else holds what should have been this customer's alone: perhaps a stranger was first (TRUST: claim).
  async #claimedTwice(tx: Transaction, session: SessionRow, by: string, address: string) {
    const actor = { ...customerActor, address };
    const changes = { isClaimedTwice: true, areCodesCompared: false };
    const noted = await this.#sessions.noteIn(tx, session.id, {
      actor,
      log: 'session.claimed-twice',
      detail: { by },
      changes,
    });
    return { session: noted, isGood: false };
  }

  #tellTwice(session: SessionRow): never {
    this.#sessions.tell(session, 'session.claimed-twice');
    throw this.#refuse('claimed-twice');
  }

  #refuse(reason: string): ApplianceError {
    this.#refused.add({ reason });
    return new ApplianceError('refused', 'entry.refused', 'that way in is not valid (any more)', {
      hint: 'Ask the technician for a new PIN or link.',
    });
  }

  #wait(ms: number): Promise<void> {
    if (ms <= 0) return Promise.resolve();
    return new Promise(resolve => this.#clock.after(ms, resolve));
  }
}

function checkUnclaimed({ claimedAt, state }: SessionRow): void {
  if (claimedAt === null && state === 'connecting') return;
  throw new ApplianceError('conflict', 'session.claimed', 'the customer is there already');
}

/** A language tag (RFC 5646) in short; what is none is as good as not said. */
function languageOf(said: string | undefined): string | null {
  return said !== undefined && /^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,3}$/.test(said) ? said : null;
}

function digestCode(code: string): Uint8Array {
  return sha256(Buffer.from(/^[A-Za-z0-9_-]{22}$/.test(code) ? code : '', 'base64url'));
}

function pskLabel(id: SessionId): string {
  return `session/${id}/psk`;
}
