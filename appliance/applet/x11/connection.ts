// A connection to the customer's X server. Requests and extensions are those of the x11 package; here are the way in, answers
// as promises, and the end: a display that is gone or does not answer is noticed, whatever was being asked.
import { connect, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { type Answer, type Client, createClient, type Extensions, type Screen, type XEvent } from 'x11';
import type { Cancel, Clock } from '../../clock.ts';
import { ApplianceError, defect, describeError } from '../../errors.ts';
import { type DisplayPlace, parseDisplay, readCookie } from './xauthority.ts';

/** An answer that is missing for so long, and then as long again, is that of a stuck server. */
const PATIENCE_MS = 1500;
/** Where nothing else is asked, this is: else a server that got stuck would pass for a quiet one. */
const PROBE_MS = 3000;
const TCP_PORT = 6000;

export type LostReason = 'display-lost' | 'display-stuck';

export interface DisplayOptions {
  readonly clock: Clock;
  /** DISPLAY, XAUTHORITY, HOME, XDG_SESSION_TYPE and WAYLAND_DISPLAY are read. */
  readonly environment: NodeJS.ProcessEnv;
}

export class XConnection {
  readonly #clock: Clock;
  readonly #socket: Socket;
  readonly #place: DisplayPlace;
  readonly #handlers = new Set<(event: XEvent) => void>();
  readonly #pending = new Set<(error: ApplianceError) => void>();
  readonly #closed = Promise.withResolvers<LostReason | null>();
  #screen: Screen | undefined;
  #cancelProbe: Cancel = () => undefined;
  #cancelPatience: Cancel | null = null;
  #heard = 0;
  #ended = false;
  /** Requests of the core protocol; one that has an answer is sent in `ask`. */
  readonly client: Client;
  /** Why it ended; null when `close` did it. */
  readonly closed = this.#closed.promise;

  private constructor(clock: Clock, socket: Socket, client: Client, place: DisplayPlace) {
    this.#clock = clock;
    this.#socket = socket;
    this.#place = place;
    this.client = client;
    socket.on('data', () => this.#heard++);
    socket.on('close', () => this.#end('display-lost'));
    client.on('event', (event: XEvent) => {
      for (const handle of [...this.#handlers]) handle(event);
    });
    // A refusal nobody waits for: mostly of a window that went before our request about it came. What ends the connection is
    // told by its socket as well.
    client.on('error', () => undefined);
  }

  /** @throws ApplianceError `screen.unavailable`, with what the customer or IT can do about it */
  static async open({ clock, environment }: DisplayOptions): Promise<XConnection> {
    const display = environment.DISPLAY ?? '';
    if (environment.XDG_SESSION_TYPE === 'wayland' || (display === '' && environment.WAYLAND_DISPLAY))
      throw isWayland();
    const place = parseDisplay(display);
    if (place === undefined) throw unavailable(`"${display}" is no X11 display`, FROM_DESKTOP);
    const socket = await openSocket(place, clock);
    const auth = await readCookie(environment, place, { name: hostname(), address: socket.remoteAddress });
    const client = createClient({ display, stream: socket, auth, bufferRequests: true });
    const connection = new XConnection(clock, socket, client, place);
    try {
      await connection.#greet();
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  get screen(): Screen {
    if (this.#screen === undefined) throw defect('a display that is not open yet has no screen');
    return this.#screen;
  }

  /** Whether the server runs on this machine, as far as one can tell. */
  get isLocal(): boolean {
    return this.#place.host === '';
  }

  /** An extension that the package knows, ready for use. @returns null when the server hasn't got it */
  async extension<Name extends keyof Extensions>(name: Name): Promise<Extensions[Name] | null> {
    try {
      return await this.ask<Extensions[Name]>(answer => this.client.require(name, answer));
    } catch (error) {
      if (error instanceof ApplianceError && error.code === 'display.refused') return null;
      throw error;
    }
  }

  /**
   * @param send sends one request whose answer it hands on
   * @throws ApplianceError `display.refused` when the server says no, `screen.lost` when there is none any more
   */
  ask<Reply>(send: (answer: Answer<Reply>) => void): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(lost());
      this.#pending.add(reject);
      send((error, reply) => {
        this.#pending.delete(reject);
        if (this.#pending.size === 0) this.#rest();
        if (error) reject(refused(error));
        else resolve(reply);
        return true;
      });
      this.#watch();
    });
  }

  /** A request the package doesn't know, whole. @returns what follows the first eight bytes of the answer. Throws as `ask`. */
  askBytes(request: Buffer): Promise<Buffer> {
    return this.ask(answer => {
      this.client.seq_num += 1;
      this.client.replies[this.client.seq_num] = [body => body, answer];
      this.client.pack_stream.put(request);
      this.client.pack_stream.submit(true);
    });
  }

  /** @returns ends it */
  onEvent(handle: (event: XEvent) => void): () => void {
    this.#handlers.add(handle);
    return () => this.#handlers.delete(handle);
  }

  /** What was sent before still goes out. */
  close(): void {
    if (this.#ended) return;
    this.client.pack_stream?.flush();
    this.#end(null);
  }

  async #greet(): Promise<void> {
    try {
      await this.ask<void>(answer => {
        this.client.once('connect', () => answer(null, undefined));
        this.client.once('error', error => answer(error, undefined));
      });
    } catch (cause) {
      const why = cause instanceof ApplianceError && cause.code === 'display.refused' ? `: ${cause.message}` : '';
      throw unavailable(`the X11 display does not let this program in${why}`, FROM_DESKTOP, cause);
    }
    const { present } = await this.ask<{ present: unknown }>(answer => this.client.QueryExtension('XWAYLAND', answer));
    if (present) throw isWayland();
    this.#screen = this.client.display.screen[this.#place.screen];
    if (this.#screen === undefined) throw unavailable(`the display has no screen ${this.#place.screen}`, FROM_DESKTOP);
    this.#cancelProbe = this.#clock.every(PROBE_MS, () => this.#probe());
  }

  #probe(): void {
    if (this.#pending.size > 0) return;
    this.ask(answer => this.client.GetInputFocus(answer)).catch(() => undefined); // `closed` tells of it
  }

  /** Twice, with the event loop between: of a program that was stopped itself, or busy, the answer is there but not read yet. */
  #watch(silent = 0): void {
    if (this.#cancelPatience !== null || this.#pending.size === 0) return;
    const heard = this.#heard;
    this.#cancelPatience = this.#clock.after(PATIENCE_MS, () => {
      this.#cancelPatience = null;
      if (this.#heard !== heard) this.#watch();
      else if (silent === 0) this.#watch(1);
      else this.#end('display-stuck');
    });
  }

  #rest(): void {
    this.#cancelPatience?.();
    this.#cancelPatience = null;
  }

  #end(why: LostReason | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelProbe();
    this.#rest();
    this.#handlers.clear();
    if (why === null) this.#hangUp();
    else this.#socket.destroy();
    for (const reject of this.#pending) reject(lost());
    this.#pending.clear();
    this.#closed.resolve(why);
  }

  /** A server that can't write to us any more drops what it has not read yet; so we read until it hangs up itself. */
  #hangUp(): void {
    const cancel = this.#clock.after(PATIENCE_MS, () => this.#socket.destroy());
    this.#socket.once('close', cancel);
    this.#socket.end();
  }
}

/** The number of an X11 error (X protocol, encoding) behind a refusal; undefined for whatever else was thrown. */
export function refusalOf(thrown: unknown): number | undefined {
  if (!(thrown instanceof ApplianceError) || thrown.code !== 'display.refused') return undefined;
  const { cause } = thrown;
  return cause instanceof Error && 'error' in cause ? Number(cause.error) : 0;
}

const FROM_DESKTOP = 'Start the program from the desktop itself, as the user whose desktop it is.';

async function openSocket(place: DisplayPlace, clock: Clock): Promise<Socket> {
  const socket =
    place.host === ''
      ? connect(`/tmp/.X11-unix/X${place.number}`)
      : connect({ host: place.host, port: TCP_PORT + place.number, noDelay: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const cancel = clock.after(2 * PATIENCE_MS, () => reject(new Error('it does not answer')));
  socket.once('connect', () => resolve());
  socket.on('error', reject);
  try {
    await promise;
    return socket;
  } catch (cause) {
    socket.destroy();
    throw unavailable(`the X11 display can't be reached: ${describeError(cause)}`, FROM_DESKTOP, cause);
  } finally {
    cancel();
  }
}

function isWayland(): ApplianceError {
  return unavailable(
    'this is a Wayland session, whose screen this program cannot show yet',
    'Log in again and choose the session "Xorg" (or "X11") on the login screen.',
  );
}

function unavailable(message: string, hint: string, cause?: unknown): ApplianceError {
  return new ApplianceError('unavailable', 'screen.unavailable', message, { hint, cause });
}

function lost(): ApplianceError {
  return new ApplianceError('unavailable', 'screen.lost', 'the display is gone, or does not answer');
}

function refused(cause: Error): ApplianceError {
  return new ApplianceError('refused', 'display.refused', cause.message, { cause });
}
