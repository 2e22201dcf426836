// One applet's own leg: first a stranger with a challenge, then the applet of one session, until either side ends it.
import type { WebSocket } from 'ws';
import type { Clock } from '../../clock.ts';
import { ApplianceError, describeError } from '../../errors.ts';
import type { SessionId } from '../../guid.ts';
import type { Log } from '../../log.ts';
import { type FromApplet, type FromAppliance, LEG_CLOSE, parseFromApplet } from '../../protocol/applet-leg.ts';
import type { Bytes } from '../../protocol/bytes.ts';
import type { SessionRow } from '../../sessions/session-store.ts';
import type { Support } from '../support.ts';
import { Entering, reasonOf } from './entering.ts';
import { Inside, type InsideParts } from './inside.ts';
import { LegSocket } from './leg-socket.ts';

/** Who is at the other end, as the gateway says. */
export interface LegPeer {
  readonly address: string;
  readonly gatewayId: string;
}

export interface AppletLegParts {
  readonly socket: WebSocket;
  readonly peer: LegPeer;
  readonly support: Support;
  readonly clock: Clock;
  readonly log: Log;
  /** What an applet is told with `claimed`. */
  readonly welcome: { readonly organisation: string; readonly silenceMs: number };
  readonly restartOf: (sessionId: SessionId) => InsideParts['restart'];
  /** It is in its session, and was told so; called once, before anything else it says is heard. */
  readonly claimed: (leg: AppletLeg, isRestarted: boolean) => void;
  /** @param reason for the counters */
  readonly left: (leg: AppletLeg, reason: string) => void;
}

export class AppletLeg {
  readonly peer: LegPeer;
  readonly #parts: AppletLegParts;
  readonly #socket: LegSocket;
  readonly #entering: Entering;
  #inside: Inside | null = null;
  #sessionId: SessionId | null = null;
  #endReason = 'left';
  #state = '';
  #comparedLink: string | null = null;
  #isToldTwice = false;

  constructor(parts: AppletLegParts) {
    this.#parts = parts;
    this.peer = parts.peer;
    this.#entering = new Entering(parts.support.entries, parts.peer.address);
    this.#socket = new LegSocket({
      socket: parts.socket,
      clock: parts.clock,
      handle: bytes => this.#handle(bytes),
      left: fault => parts.left(this, fault ?? this.#endReason),
    });
    this.send({ type: 'challenge', nonce: this.#entering.nonce });
  }

  /** Null before it was claimed. */
  get sessionId(): SessionId | null {
    return this.#sessionId;
  }

  send(message: FromAppliance): void {
    this.#socket.send(message);
  }

  /** What has changed for the applet since this leg was last told. */
  tell(session: SessionRow): void {
    const technician = session.pickedUpAt === null ? '' : session.ownerName;
    const state = JSON.stringify([session.state, technician]);
    if (state !== this.#state) this.send({ type: 'state', state: session.state, technician });
    this.#state = state;
    if (session.isClaimedTwice && !this.#isToldTwice) this.send({ type: 'claimed-twice' });
    this.#isToldTwice = session.isClaimedTwice;
    const compared = session.areCodesCompared ? session.linkId : null;
    if (compared !== null && compared !== this.#comparedLink) {
      this.send({ type: 'compared', linkId: Uint8Array.from(Buffer.from(compared, 'base64url')) });
    }
    this.#comparedLink = compared;
  }

  get isOpen(): boolean {
    return this.#socket.isOpen;
  }

  /** @returns when the connection is closed, which takes half a second at most */
  end(code: number, reason: string): Promise<void> {
    if (this.isOpen) this.#endReason = reason;
    return this.#socket.close(code);
  }

  async #handle(bytes: Bytes): Promise<void> {
    try {
      const message = parseFromApplet(bytes); // from here on typed; whose word it is, is decided below
      if (this.#inside === null) await this.#enter(message);
      else this.#answer(await this.#inside.take(message));
    } catch (error) {
      this.#fail(error);
    }
  }

  #answer(message: FromAppliance | null): void {
    if (message !== null) this.send(message);
  }

  async #enter(message: FromApplet): Promise<void> {
    const found = await this.#entering.take(message);
    if (found === null) return;
    if ('guid' in found) {
      this.send({ type: 'entered', sid: found.sessionId, guid: new Uint8Array(found.guid) });
      found.guid.fill(0);
      return;
    }
    const { support, peer, welcome, restartOf } = this.#parts;
    const { id } = found.session;
    this.#sessionId = id;
    // From here on this leg is that session's applet.
    this.#inside = new Inside({ support, sessionId: id, address: peer.address, restart: restartOf(id) });
    this.send({ type: 'claimed', sid: id, ...welcome });
    this.#parts.claimed(this, found.isRestarted);
  }

  #fail(error: unknown): void {
    const { log, peer } = this.#parts;
    const isOurs = !(error instanceof ApplianceError) || error.kind === 'defect' || error.kind === 'unavailable';
    if (isOurs) {
      const sessionId = this.#sessionId ?? 'none';
      log.error('applet-leg.failed', { sessionId, gateway: peer.gatewayId, why: describeError(error) });
      void this.end(LEG_CLOSE.comeBack, 'failed');
      return;
    }
    // It came after something else had happened: no harm, and no reason to leave.
    if (this.#inside !== null && error.kind === 'conflict') return;
    const reason = reasonOf(error);
    if (this.#inside === null) this.send({ type: 'refused', reason });
    void this.end(LEG_CLOSE.refused, reason);
  }
}
