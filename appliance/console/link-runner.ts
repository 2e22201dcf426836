// Keeps one session's link: handshake, streams, a way back when a path is lost, a second path where there is another
// gateway, a new handshake when the link has ended. It runs in a Worker, for timers of hidden pages are slowed down;
// nothing in it knows of one.
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { fromBase64Url, parseSessionId, toBase64Url } from '../guid.ts';
import type { LinkCrypto } from '../link/crypto.ts';
import { HandshakeGuard } from '../link/handshake-guard.ts';
import { UNACKNOWLEDGED_BYTES } from '../link/limits.ts';
import { Link } from '../link/link.ts';
import type { LinkStream } from '../link/stream.ts';
import { type OpenSocket, WebSocketPath } from '../link/web-socket-path.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { CHAT_PRIORITY, CHAT_STREAM } from '../protocol/chat.ts';
import { CONSENT_PRIORITY, CONSENT_STREAM } from '../protocol/consent.ts';
import type { LinkFacts, RelayPath, RelayRequest, SignedView } from '../protocol/console-api.ts';
import { GrantStreams, type Tell } from './grant-streams.ts';
import {
  type LinkFault,
  type LinkStreamName,
  type LinkView,
  noLink,
  RESET_UNKNOWN,
  type ToLinkWorker,
} from './link-messages.ts';
import { RecordingUploads } from './recording-uploads.ts';

const HANDSHAKE_AGAIN_MS = [250, 500, 1000, 2000, 4000, 8000];
const ATTACH_AGAIN_MS = [100, 250, 500, 1000];
const STANDBY_AGAIN_MS = [500, 1000, 2000, 5000];
/** Spread over so long at most, so that a gateway that comes back isn't met by all consoles at once. */
const JITTER_MS = 500;
/** Answered on an open path and refused so often: the applet has no such link any more. */
const MAX_REFUSED_ATTACHES = 3;
const LOOK_MS = 1000;
/** The last record, which tells the peer, has left by then. */
const FAREWELL_MS = 500;
/** So long the end waits for the recorder. */
const LAST_UPLOAD_MS = 10_000;
const NONCE_BYTES = 16;
/** Refusals that asking again does not change. */
const FINAL_KINDS: readonly string[] = ['unauthenticated', 'refused', 'missing', 'malformed'];

/** The portal's answers about this one session. */
export interface LinkApi {
  link(): Promise<LinkFacts>;
  certify(asked: { spk: string; nonce: string }): Promise<SignedView>;
  relay(wish: RelayRequest): Promise<{ paths: readonly RelayPath[] }>;
}

export interface LinkRunnerParts {
  readonly sessionId: string;
  readonly api: LinkApi;
  readonly crypto: LinkCrypto;
  readonly clock: Clock;
  /** Resolves when it is open. */
  readonly openSocket: (path: RelayPath) => Promise<OpenSocket>;
  /** Resolves when it is open, with a token of its own. */
  readonly openRecorder: () => Promise<OpenSocket>;
  readonly tell: Tell;
}

interface Live {
  readonly link: Link;
  readonly linkId: string;
  readonly streams: ReadonlyMap<LinkStreamName, LinkStream>;
  readonly grants: GrantStreams;
  /** Gateways by the number of their attachment. */
  readonly gateways: Map<number, string>;
  /** Lets the next message of a stream come. */
  readonly took: Map<LinkStreamName, () => void>;
}

export class LinkRunner {
  readonly #parts: LinkRunnerParts;
  readonly #guard: HandshakeGuard;
  readonly #recordings: RecordingUploads;
  #view: LinkView = noLink;
  #told = '';
  #live: Live | null = null;
  #wake: (() => void) | null = null;
  #closed = false;

  constructor(parts: LinkRunnerParts) {
    this.#parts = parts;
    const { clock, openRecorder, tell } = parts;
    this.#recordings = new RecordingUploads({
      ...{ clock, connect: openRecorder },
      tell: view => tell({ type: 'recording', view }),
    });
    this.#guard = new HandshakeGuard(attemptsFailed => this.#show({ attemptsFailed }));
  }

  /** Resolves when it was closed, or given up for good. */
  async run(): Promise<void> {
    for (let failures = 0; !this.#closed; failures++) {
      this.#show({ phase: 'connecting' });
      try {
        const live = await this.#connect();
        failures = 0;
        await this.#keep(live);
      } catch (error) {
        if (this.#closed) break;
        this.#show({ fault: faultOf(error) });
        if (isFinal(error)) await this.#giveUp(error);
      }
      if (!this.#closed) await this.#pause(HANDSHAKE_AGAIN_MS, failures);
    }
  }

  handle(message: Exclude<ToLinkWorker, { type: 'start' }>): void {
    switch (message.type) {
      case 'hurry':
        this.#wake?.();
        break;
      case 'anew':
        this.#live?.link.close();
        this.#wake?.();
        break;
      case 'close':
        this.close();
        break;
      case 'pause-recording':
        this.#recordings.pause(message.isPaused);
        break;
      case 'send':
        this.#onStream(message, stream => stream.send(message.bytes));
        break;
      case 'reset':
        this.#onStream(message, stream => stream.reset(message.code));
        break;
      case 'took':
        this.#took(message);
        break;
      case 'open':
        if (this.#live === null) this.#parts.tell({ type: 'opened-ended', opening: message.opening });
        else this.#live.grants.handle(message);
        break;
      case 'opened-send':
      case 'opened-took':
      case 'opened-reset':
        this.#live?.grants.handle(message);
        break;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#live?.link.close();
    this.#wake?.();
    this.#show({ phase: 'off', paths: [] });
    this.#parts.clock.after(FAREWELL_MS, () => void this.#farewell());
  }

  /** What was seen last is still to be recorded. */
  async #farewell(): Promise<void> {
    await this.#recordings.finished(LAST_UPLOAD_MS);
    this.#parts.tell({ type: 'closed' });
  }

  async #connect(): Promise<Live> {
    const { sessionId, api, crypto, clock } = this.#parts;
    const facts = await api.link();
    const askedAt = clock.monotonic();
    this.#show({ codesMatch: facts.codesMatch });
    // Certified before the handshake begins: a portal that is away for a moment is no failed handshake.
    const staticKey = await crypto.generateKeyPair();
    const credential = await this.#certify(staticKey.publicKey);
    const { path, socket } = await this.#openFirst((await api.relay({ purpose: 'handshake', except: [] })).paths);
    const link = await Link.connectConsole(
      {
        ...{ crypto, clock, staticKey, guard: this.#guard, caps: [] },
        sid: parseSessionId(facts.sid),
        psk: fromBase64Url(facts.psk),
        keys: facts.keys.map(({ kid, spki }) => ({ kid, publicKey: fromBase64Url(spki) })),
        certify: async () => credential,
        trustedNow: () => facts.time + clock.monotonic() - askedAt,
        unacknowledgedBytes: UNACKNOWLEDGED_BYTES.browser,
      },
      new WebSocketPath('relay', socket, clock),
    );
    staticKey.erase();
    if (facts.sid !== sessionId || this.#closed) link.close();
    return this.#begin(link, path.gateway);
  }

  /** The first gateway that takes the connection: one of them may have just gone. */
  async #openFirst(paths: readonly RelayPath[]): Promise<{ path: RelayPath; socket: OpenSocket }> {
    let error: unknown = noPath();
    for (const path of paths) {
      try {
        return { path, socket: await this.#parts.openSocket(path) };
      } catch (thrown) {
        error = thrown;
      }
    }
    throw error;
  }

  async #certify(staticKey: Bytes) {
    const nonce = this.#parts.crypto.randomBytes(NONCE_BYTES);
    const signed = await this.#parts.api.certify({ spk: toBase64Url(staticKey), nonce: toBase64Url(nonce) });
    return { payload: fromBase64Url(signed.payload), signature: fromBase64Url(signed.signature) };
  }

  #begin(link: Link, gateway: string): Live {
    const linkId = toBase64Url(link.id);
    const streams = new Map<LinkStreamName, LinkStream>([
      ['consent', link.openStream(CONSENT_STREAM, CONSENT_PRIORITY)],
      ['chat', link.openStream(CHAT_STREAM, CHAT_PRIORITY)],
    ]);
    this.#recordings.linkBegun(link);
    const grants = new GrantStreams(link, linkId, this.#parts.tell, this.#recordings);
    const live: Live = { link, linkId, streams, grants, gateways: new Map([[0, gateway]]), took: new Map() };
    this.#live = live;
    for (const [name, stream] of streams) this.#listen(live, name, stream);
    link.onStream(stream => stream.reset(RESET_UNKNOWN));
    this.#show({ phase: 'open', linkId, shortString: link.shortString, fault: null, paths: this.#pathsOf(live) });
    return live;
  }

  /** One message at a time goes to the page; the peer's credit grows when the page has dealt with it. */
  #listen({ linkId, took }: Live, stream: LinkStreamName, on: LinkStream): void {
    on.listen({
      message: bytes =>
        new Promise<void>(resolve => {
          took.set(stream, resolve);
          this.#parts.tell({ type: 'message', linkId, stream, bytes });
        }),
      ended: () => this.#parts.tell({ type: 'ended', linkId, stream }),
      reset: () => this.#parts.tell({ type: 'ended', linkId, stream }),
    });
  }

  #took({ linkId, stream }: { linkId: string; stream: LinkStreamName }): void {
    if (this.#live?.linkId !== linkId) return;
    const next = this.#live.took.get(stream);
    this.#live.took.delete(stream);
    next?.();
  }

  #onStream({ linkId, stream }: { linkId: string; stream: LinkStreamName }, act: (stream: LinkStream) => void): void {
    if (this.#live?.linkId !== linkId) return; // of a link that has ended: the page sends it again on the next one
    const found = this.#live.streams.get(stream);
    if (found === undefined) return;
    try {
      act(found);
    } catch (error) {
      this.#show({ fault: faultOf(error) });
    }
  }

  /** Sees to it that the link has its paths. Resolves when it has ended. */
  async #keep(live: Live): Promise<void> {
    const { link } = live;
    const stopWatching = link.onState(() => {
      this.#look(live);
      this.#wake?.();
    });
    const stopLooking = this.#parts.clock.every(LOOK_MS, () => this.#look(live));
    try {
      for (let [misses, refused] = [0, 0]; link.state.state !== 'closed'; ) {
        const isDetached = link.state.state === 'detached';
        const outcome = link.paths.length >= 2 ? 'enough' : await this.#tryAttach(live);
        if (outcome === 'attached') [misses, refused] = [0, 0];
        if (outcome === 'refused' && isDetached && ++refused >= MAX_REFUSED_ATTACHES) break;
        if (link.state.state === 'detached') await this.#pause(ATTACH_AGAIN_MS, misses++);
        else if (outcome !== 'attached') await this.#pause(STANDBY_AGAIN_MS, isDetached ? 0 : misses++);
      }
    } finally {
      stopWatching();
      stopLooking();
      const { error } = link.state;
      link.close();
      this.#live = null;
      this.#show({ phase: 'connecting', paths: [], ...(error === null ? {} : { fault: faultOf(error) }) });
    }
  }

  async #tryAttach({ link, gateways }: Live): Promise<'attached' | 'refused' | 'none' | 'failed'> {
    try {
      const used = new Set(link.paths.map(({ attach }) => gateways.get(attach)).filter(id => id !== undefined));
      const { paths } = await this.#parts.api.relay({ purpose: 'attach', except: [...used] });
      if (paths.length === 0) return 'none';
      const { path, socket } = await this.#openFirst(paths);
      const attach = await link.attachPath(new WebSocketPath('relay', socket, this.#parts.clock));
      gateways.set(attach, path.gateway);
      return 'attached';
    } catch (error) {
      if (error instanceof ApplianceError && error.kind === 'unauthenticated') this.#parts.tell({ type: 'signed-out' });
      return error instanceof ApplianceError && error.code === 'link.attach-refused' ? 'refused' : 'failed';
    }
  }

  #look(live: Live): void {
    const { state } = live.link.state;
    if (this.#live !== live || state === 'closed') return;
    const before = this.#view.paths.length;
    this.#show({ phase: state, paths: this.#pathsOf(live), ...(state === 'open' ? { fault: null } : {}) });
    if (this.#view.paths.length < before) this.#wake?.(); // a standby is missing now
  }

  #pathsOf({ link, gateways }: Live) {
    return link.paths.map(({ attach, kind, active, roundTripMs }) => ({
      ...{ kind, active, gateway: gateways.get(attach) ?? null },
      roundTripMs: roundTripMs === null ? null : Math.round(roundTripMs),
    }));
  }

  /** Stays so until the page asks for another try, or closes. */
  async #giveUp(error: unknown): Promise<void> {
    if (error instanceof ApplianceError && error.kind === 'unauthenticated') this.#parts.tell({ type: 'signed-out' });
    this.#show({ phase: 'failed' });
    await new Promise<void>(resolve => {
      this.#wake = resolve;
    });
    this.#wake = null;
  }

  /** Waits the n-th of these times, or until something happens. */
  async #pause(delays: readonly number[], n: number): Promise<void> {
    const least = delays[Math.min(n, delays.length - 1)] ?? 0;
    const [random = 0] = this.#parts.crypto.randomBytes(1);
    const delay = least + (random / 256) * Math.min(least, JITTER_MS);
    let cancel: Cancel = () => undefined;
    await new Promise<void>(resolve => {
      cancel = this.#parts.clock.after(delay, resolve);
      this.#wake = resolve;
    });
    cancel();
    this.#wake = null;
  }

  #show(change: Partial<LinkView>): void {
    if (this.#closed && change.phase !== 'off') return;
    this.#view = { ...this.#view, ...change };
    const text = JSON.stringify(this.#view);
    if (text === this.#told) return;
    this.#told = text;
    this.#parts.tell({ type: 'view', view: this.#view });
  }
}

function noPath(): ApplianceError {
  return new ApplianceError('unavailable', 'console.no-path', 'the customer’s program is not connected', {
    hint: 'The link is made as soon as it comes back.',
  });
}

function isFinal(error: unknown): boolean {
  if (!(error instanceof ApplianceError)) return true; // ours
  if (error.code === 'link.refused' || error.code === 'link.busy') return false;
  return error.code === 'link.locked' || FINAL_KINDS.includes(error.kind);
}

function faultOf(error: unknown): LinkFault {
  if (!(error instanceof ApplianceError))
    return { code: 'console.defect', message: describeError(error), hint: 'Reload the page.' };
  // The link says one thing of every handshake that failed; what the console saw of it stands in the cause.
  const { cause } = error;
  const detail = cause instanceof ApplianceError ? `: ${cause.message}` : '';
  return { code: error.code, message: error.message + detail, hint: error.hint };
}
