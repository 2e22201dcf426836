// One connection of the applet's own leg (protocol/applet-leg.ts): gets in by claim or return, says that it is alive, and
// finds out when the other end is not. Whatever breaks a rule ends it; another one comes in its place (legs.ts).
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { type SessionGuid, type SessionId, sessionGuidFrom } from '../guid.ts';
import type { LinkCrypto } from '../link/crypto.ts';
import { gatewayToken, linkPsk } from '../link/session-secrets.ts';
import {
  type FromApplet,
  type FromAppliance,
  LEG_ALIVE_MS,
  type LegPlatform,
  parseFromAppliance,
  writeLegMessage,
} from '../protocol/applet-leg.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { type AppletSigner, RETURN_DOMAIN, writeReturn } from './objects.ts';
import type { CustomerEntry, MessageSocket } from './session-parts.ts';

/** From the connection to `claimed`. */
const ENTRY_MS = 15_000;

export type Claimed = Extract<FromAppliance, { type: 'claimed' }>;

export interface LegEntryOptions {
  readonly crypto: LinkCrypto;
  readonly entry: CustomerEntry;
  readonly spki: Bytes;
  readonly sign: AppletSigner;
  readonly platform: LegPlatform;
  readonly language: string;
}

/** How this applet gets in: the first time by what the customer brought, later as the one who has claimed already. */
export class LegEntry {
  readonly #options: LegEntryOptions;
  #guid: SessionGuid | null;
  #sid: SessionId | null = null;
  #isClaimed = false;
  /** A claim was sent, and may have been taken. */
  #mayBeClaimed = false;
  #wasReturn = false;

  constructor(options: LegEntryOptions) {
    this.#options = options;
    this.#guid = options.entry.kind === 'guid' ? options.entry.guid : null;
  }

  /** The link's pre-shared key; from here on the GUID is used for coming back only. */
  psk(sid: SessionId): Promise<Bytes> {
    if (this.#guid === null) throw new ApplianceError('defect', 'leg.no-guid', 'the session has no GUID yet');
    return linkPsk(this.#options.crypto, this.#guid, sid);
  }

  async challenged(nonce: Bytes): Promise<FromApplet> {
    const { crypto, entry, sign } = this.#options;
    if (entry.kind === 'pin' && this.#guid === null) return { type: 'pin', pin: entry.pin };
    if (this.#guid === null || !this.#mayBeClaimed) return this.#claim();
    this.#wasReturn = true;
    const token = await gatewayToken(crypto, this.#guid);
    const signature = await sign(RETURN_DOMAIN, writeReturn(nonce, await crypto.sha256(token)));
    return { type: 'return', token, signature };
  }

  /** @returns true when that was the question whether the claim had been taken: it wasn't, and is made again */
  refused(): boolean {
    const mayClaim = this.#mayBeClaimed && !this.#isClaimed && this.#wasReturn;
    if (mayClaim) this.#mayBeClaimed = false;
    return mayClaim;
  }

  /** The appliance has drawn a GUID for the PIN. */
  entered(guid: Bytes): Promise<FromApplet> {
    if (this.#guid !== null) throw new ApplianceError('malformed', 'leg.protocol', 'a second GUID for one session');
    this.#guid = sessionGuidFrom(guid);
    return this.#claim();
  }

  /** @throws ApplianceError `leg.protocol` when it is about another session than before */
  claimed({ sid }: Claimed): void {
    if (this.#sid !== null && this.#sid !== sid)
      throw new ApplianceError('malformed', 'leg.protocol', 'another session than the one that was claimed');
    this.#sid = sid;
    this.#isClaimed = true;
  }

  erase(): void {
    this.#guid?.fill(0);
    this.#guid = null;
  }

  async #claim(): Promise<FromApplet> {
    const { crypto, spki, platform, language } = this.#options;
    if (this.#guid === null) throw new ApplianceError('defect', 'leg.no-guid', 'the session has no GUID yet');
    this.#mayBeClaimed = true;
    this.#wasReturn = false;
    return { type: 'claim', token: await gatewayToken(crypto, this.#guid), apk: spki, platform, language };
  }
}

export type LegEnd = 'closed' | 'refused' | 'silent' | 'malformed';

export interface LegOptions {
  readonly clock: Clock;
  readonly socket: MessageSocket;
  readonly entry: LegEntry;
  readonly up: (claimed: Claimed) => void;
  /** What comes after `claimed`, but for `alive`. */
  readonly message: (message: FromAppliance) => void;
  readonly down: (why: LegEnd) => void;
}

export class Leg {
  readonly #options: LegOptions;
  readonly #cancels: Cancel[] = [];
  #stage: 'new' | 'challenged' | 'up' | 'down' = 'new';
  #heardAt: number;

  constructor(options: LegOptions) {
    this.#options = options;
    const { clock, socket } = options;
    this.#heardAt = clock.monotonic();
    this.#cancels.push(
      clock.after(ENTRY_MS, () => {
        if (this.#stage !== 'up') this.#end('silent');
      }),
      clock.every(LEG_ALIVE_MS, () => this.#tick()),
    );
    socket.listen({
      message: bytes => this.#receive(bytes),
      drained: () => undefined,
      closed: () => this.#end('closed'),
    });
  }

  get isUp(): boolean {
    return this.#stage === 'up';
  }

  send(message: FromApplet): void {
    if (this.#stage !== 'down') this.#options.socket.send(writeLegMessage(message));
  }

  close(): void {
    this.#stage = 'down';
    for (const cancel of this.#cancels) cancel();
    this.#options.socket.close();
  }

  #tick(): void {
    const { clock } = this.#options;
    if (clock.monotonic() - this.#heardAt >= 2 * LEG_ALIVE_MS) this.#end('silent');
    else if (this.#stage === 'up') this.send({ type: 'alive' });
  }

  #receive(bytes: Bytes): void {
    if (this.#stage === 'down') return;
    this.#heardAt = this.#options.clock.monotonic();
    try {
      this.#handle(parseFromAppliance(bytes));
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      this.#end('malformed');
    }
  }

  #handle(message: FromAppliance): void {
    const { entry } = this.#options;
    if (message.type === 'alive') return;
    if (this.#stage === 'up') return void this.#options.message(message);
    if (message.type === 'refused') return void this.#end('refused');
    if (this.#stage === 'new' && message.type === 'challenge') {
      this.#stage = 'challenged';
      return void this.#say(entry.challenged(message.nonce));
    }
    if (this.#stage !== 'challenged') throw outOfTurn();
    if (message.type === 'entered') return void this.#say(entry.entered(message.guid));
    if (message.type !== 'claimed') throw outOfTurn();
    entry.claimed(message);
    this.#stage = 'up'; // from here on the other end is the appliance, and we are this session's applet
    this.#options.up(message);
  }

  #say(message: Promise<FromApplet>): void {
    message.then(
      ready => this.send(ready),
      () => this.#end('malformed'),
    );
  }

  #end(why: LegEnd): void {
    if (this.#stage === 'down') return;
    this.close();
    this.#options.down(why);
  }
}

function outOfTurn(): ApplianceError {
  return new ApplianceError('malformed', 'leg.protocol', 'a message out of turn');
}
