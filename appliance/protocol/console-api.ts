// What the technician's console and the portal say to each other, as JSON over HTTPS under `/technician/api`, and what the
// portal tells by itself on the WebSocket `/technician/events`. Types only: the portal checks what comes in, the console
// shows what it gets. Ids and bytes are unpadded base64url, times ms UTC.
//
//   GET    /technician/api/start                        ConsoleStart
//   GET    /technician/api/sessions?queue=Q             { sessions: SessionView[] }
//   POST   /technician/api/sessions                     NewSession → MadeSession
//   GET    /technician/api/sessions/:id                 SessionDetail
//   POST   /technician/api/sessions/:id/pin             {} → MadeSession: a new PIN and link for one nobody has claimed
//   POST   /technician/api/sessions/:id/{pick-up,hold,resume,take-back}     {} → SessionView
//   POST   /technician/api/sessions/:id/end             { reason } → SessionView
//   POST   /technician/api/sessions/:id/offer           { technicianId } → SessionView
//   POST   /technician/api/sessions/:id/queue           { channelId } → SessionView: to whoever serves the channel
//   POST   /technician/api/sessions/:id/link            {} → LinkFacts
//   POST   /technician/api/sessions/:id/certify         { spk, nonce } → SignedView
//   POST   /technician/api/sessions/:id/relay           RelayRequest → { paths: RelayPath[] }; the applet is told too
//   POST   /technician/api/sessions/:id/chat            SealedChatLine → { place, isNew }
//   POST   /technician/api/sessions/:id/actions         ToldAction → {}
//   POST   /technician/api/sessions/:id/codes           { linkId, match } → {}
//   POST   /technician/api/status                       { status } → {}
//   POST   /technician/api/here                         {} → {}: he is at work, and his login stays alive
//   GET    /technician/api/channels                     { channels: ChannelView[] }: those it can be handed to
//   GET    /technician/api/technicians                  { technicians: TechnicianView[] }
//   GET, POST /technician/api/replies; PUT, DELETE /technician/api/replies/:id     ReplyView
// A refusal is { error: { code, message, hint } } with the status of its kind.
// Reading, and what a console does by itself (link, certify, relay, actions, a customer's line), keeps no idle login alive;
// a technician who works on the picture alone has to say `here` now and then, or his login and its links run out.
import type { AttachPurpose } from './applet-leg.ts';

export type QueueName = 'incoming' | 'active' | 'on-hold' | 'closed';
export type StatusName = 'available' | 'busy' | 'away';

export interface ConsoleStart {
  readonly member: { readonly id: string; readonly name: string; readonly roles: readonly string[] };
  readonly organisation: string;
  readonly status: StatusName;
  /** May he make sessions at all, and why (not). */
  readonly mayStart: { readonly allowed: boolean; readonly why: string };
  readonly replies: readonly ReplyView[];
  /** The portal's X25519 key for chat lines on their way to the log (protocol/log-seal.ts), 32 bytes. */
  readonly logKey: string;
  readonly appliance: { readonly time: number };
}

export interface NewSession {
  readonly customerName: string | null;
  readonly language: string | null;
}

export interface MadeSession {
  readonly session: SessionView;
  /** In groups of three, as it is read out. */
  readonly pin: string;
  readonly pinExpiresAt: number;
  readonly link: string;
  readonly linkExpiresAt: number;
  readonly email: { readonly subject: string; readonly body: string };
}

export interface SessionView {
  readonly id: string;
  /** One of `sessionStates` (permissions/decision.ts). */
  readonly state: string;
  readonly queue: QueueName;
  /** Nobody, with an id of null, while it waits in a channel. */
  readonly owner: { readonly id: string | null; readonly name: string };
  /** Name of the last channel it was in. */
  readonly channel: string | null;
  readonly offeredTo: string | null;
  readonly customerName: string | null;
  /** What he said at a channel that it is about. */
  readonly question: string | null;
  readonly language: string | null;
  readonly platform: string | null;
  readonly isPresent: boolean;
  readonly isClaimedTwice: boolean;
  readonly areCodesCompared: boolean;
  readonly createdAt: number;
  readonly stateAt: number;
  readonly pickedUpAt: number | null;
  readonly endedAt: number | null;
  readonly endReason: string | null;
  /** When what waits is over by itself. */
  readonly deadline: number | null;
}

export interface SessionDetail {
  readonly session: SessionView;
  /** Each permission with its answer and the trace of it: "why can't I?" */
  readonly permissions: readonly { readonly action: string; readonly allowed: boolean; readonly why: string }[];
  readonly chat: readonly ChatLineView[];
  /** What happened, newest last: the session's log without bodies. */
  readonly events: readonly SessionEventView[];
}

export interface SessionEventView {
  readonly at: number;
  readonly event: string;
  readonly actor: string;
  readonly detail: Readonly<Record<string, string | number | boolean | null>>;
}

export interface ChatLineView {
  readonly lineId: string;
  readonly place: number;
  readonly author: 'technician' | 'customer' | 'appliance';
  readonly at: number;
  /** Null where text is not kept, or was erased. */
  readonly text: string | null;
}

/** All a console needs for the handshake. */
export interface LinkFacts {
  readonly sid: string;
  readonly psk: string;
  /** The appliance's session keys: the present one and its successor. */
  readonly keys: readonly { readonly kid: string; readonly spki: string }[];
  readonly time: number;
  /** A group may demand that the codes are compared before control. */
  readonly codesMatch: boolean;
  readonly storeChat: boolean;
}

export interface SignedView {
  readonly payload: string;
  readonly signature: string;
}

export interface RelayRequest {
  readonly purpose: AttachPurpose;
  /** Ids of gateways the console has a path at already: it wants others. */
  readonly except: readonly string[];
}

export interface RelayPath {
  readonly gateway: string;
  /** wss://host:port/gateway/relay/console */
  readonly url: string;
  /** One use, 30 s; offered as a subprotocol beside `appliance.link.v1`. */
  readonly token: string;
}

/** The line's text, sealed to the portal so that the gateway carries it unread. */
export interface SealedChatLine {
  readonly lineId: string;
  readonly author: 'technician' | 'customer';
  readonly sealed: string;
}

export interface ToldAction {
  readonly consentId: string;
  readonly action: string;
  readonly stage: 'asked' | 'granted' | 'refused' | 'started' | 'ended';
}

export interface ReplyView {
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly isShared: boolean;
}

export interface TechnicianView {
  readonly id: string;
  readonly name: string;
  readonly status: StatusName;
}

export interface ChannelView {
  readonly id: string;
  readonly name: string;
  readonly waiting: number;
  /** Somebody who serves it is available or busy. */
  readonly isAttended: boolean;
}

/** Text messages on `/technician/events`. The first is `hello`; who gets none for 30 s takes the socket for dead. */
export type ConsoleEvent =
  | { readonly type: 'hello' }
  | { readonly type: 'alive' }
  /** Shown anew; `event` is the audit event that changed it. */
  | { readonly type: 'session'; readonly event: string; readonly session: SessionView }
  /** It is not this technician's any more. */
  | { readonly type: 'gone'; readonly sessionId: string }
  | { readonly type: 'technician'; readonly technician: TechnicianView }
  /** His permissions or policy changed: details are to be asked for again. */
  | { readonly type: 'permissions' }
  /** The login has ended: the reason; the socket closes. */
  | { readonly type: 'signed-out'; readonly reason: string };
