// What a session on the customer's side is handed: the applet and the browser's Worker each bring their own.
import type { Clock } from '../clock.ts';
import type { SessionGuid, SessionId } from '../guid.ts';
import type { PinnedKey } from '../link/credential-check.ts';
import type { LinkCrypto } from '../link/crypto.ts';
import type { Path } from '../link/path.ts';
import type { LegPlatform } from '../protocol/applet-leg.ts';
import type { Bytes } from '../protocol/bytes.ts';
import type { Desktop } from './desktop.ts';
import type { HeldGrant } from './grants.ts';
import type { HostLog } from './host-log.ts';
import type { Later } from './objects.ts';
import type { RecordingParts } from './session-recording.ts';
import type { WindowModel } from './window-model.ts';

/** A connection for whole messages. A `WebSocketPath` is one. */
export type MessageSocket = Pick<Path, 'listen' | 'send' | 'close'>;

/** How the customer came: by this download's tag, by the page's secret, or by a typed PIN. */
export type CustomerEntry =
  | { readonly kind: 'guid'; readonly guid: SessionGuid }
  | { readonly kind: 'pin'; readonly pin: string };

/** The session's ES256 key (`apk`), made by the applet for this one session. */
export interface SessionKey {
  /** SPKI, DER. */
  readonly spki: Bytes;
  /** @returns r ‖ s, 64 bytes */
  sign(message: Bytes): Later<Bytes>;
}

/** What stops an action. */
export type StoppedBy = 'customer' | 'customer-away' | 'technician' | 'appliance' | 'time' | 'link';

/** One thing a technician can be allowed to do, by the name of its permission. */
export interface CustomerAction {
  /** Why it can't be begun now, as a word for the console; asked before the customer is. Null when it can. */
  whyNot?(): string | null;
  /** Called once the appliance has the start in its log. What it does under way asks `admits` each time. */
  start(held: HeldGrant, admits: () => boolean): void;
  /** At once: the number has been raised, so whatever still comes is not admitted. */
  stop(by: StoppedBy): void;
}

export interface CustomerSessionOptions {
  readonly clock: Clock;
  readonly crypto: LinkCrypto;
  readonly key: SessionKey;
  readonly entry: CustomerEntry;
  readonly platform: LegPlatform;
  /** The customer's, as a BCP 47 tag. */
  readonly language: string;
  /** The appliance's session keys: the present one and its successor. */
  readonly keys: readonly PinnedKey[];
  /** As it is shown to the customer; empty before first setup: then the appliance is asked. */
  readonly organisation: string;
  /** Ids of the gateways there are; the first is the one to begin with. */
  readonly gateways: readonly string[];
  /** The applet's own leg. @throws ApplianceError when it can't be had */
  readonly openLeg: (gateway: string) => Promise<MessageSocket>;
  /** The applet's leg of a relay. @throws ApplianceError when it can't be had */
  readonly openRelay: (leg: { readonly gateway: string; readonly token: Bytes }) => Promise<Path>;
  readonly view: WindowModel;
  readonly openHostLog: (session: { readonly sid: SessionId; readonly startedAt: number }) => HostLog;
  /** What can be done here. An action nobody implements is asked for, granted and shown all the same. */
  readonly actions: ReadonlyMap<string, CustomerAction>;
  /** Null where it can't be seen. */
  readonly desktop: Desktop | null;
  readonly recording: RecordingParts;
  /** UNACKNOWLEDGED_BYTES of the platform. */
  readonly unacknowledgedBytes: number;
  /** The session is over, whoever ended it; report and log are written. */
  readonly over: (reason: string) => void;
}

/** What came from outside and was not taken, by kind. */
export type Refusal =
  | 'leg-message'
  | 'attach'
  | 'credential'
  | 'grant'
  | 'lease'
  | 'time'
  | 'stream'
  | 'recording'
  | 'consent-message'
  | 'request'
  | 'chat-message'
  | 'command';

export class Refusals {
  readonly #counts = new Map<Refusal, number>();

  count(what: Refusal): void {
    this.#counts.set(what, this.of(what) + 1);
  }

  of(what: Refusal): number {
    return this.#counts.get(what) ?? 0;
  }
}
