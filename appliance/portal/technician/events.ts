// What consoles are told by themselves: one WebSocket for each, at `/technician/events`, as long as its login lives. It
// only tells: nothing is taken from it, and being told is no activity (a login that idles runs out with the socket open).
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Cancel, Clock } from '../../clock.ts';
import { describeError } from '../../errors.ts';
import type { SessionId } from '../../guid.ts';
import type { Identity } from '../../identity/identity.ts';
import type { Log } from '../../log.ts';
import type { Metrics } from '../../metrics.ts';
import type { ConsoleEvent, SessionView } from '../../protocol/console-api.ts';
import { isOver } from '../../sessions/session-state.ts';
import type { SessionRow } from '../../sessions/session-store.ts';
import type { SessionChange } from '../../sessions/sessions.ts';
import type { Support } from '../support.ts';
import type { SignedIn } from '../web/context.ts';

export const ALIVE_MS = 10_000;
/** How often a socket's login is looked at; its end is also told at once (C-08). */
export const CHECK_MS = 15_000;
const MAX_SOCKETS = 16; // of one login: as many windows
const MAX_UNSENT_BYTES = 4 * 1024 * 1024;
const CLOSE = { done: 1000, refused: 1008, comeBack: 1012 } as const;
const CLOSE_MS = 500;

interface Console {
  /** Said `hello` to: that comes first. */
  isGreeted: boolean;
  readonly socket: WebSocket;
  readonly loginId: string;
  readonly memberId: string;
}

export interface EventsParts {
  readonly support: Support;
  readonly identity: Identity;
  readonly present: (session: SessionRow) => Promise<SessionView>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export class Events {
  readonly #parts: EventsParts;
  readonly #server = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload: 1024 });
  readonly #consoles = new Set<Console>();
  /** Whose lists a session that is not over stands in, as far as they were told. */
  readonly #shownTo = new Map<SessionId, ReadonlySet<string>>();
  readonly #cancels: readonly Cancel[];
  #working: Promise<unknown> = Promise.resolve();
  #isClosing = false;

  constructor(parts: EventsParts) {
    this.#parts = parts;
    const { support, identity, clock, metrics } = parts;
    const open = metrics.gauge('console_events_open', 'Consoles that are told of events.');
    metrics.sample(() => open.set(this.#consoles.size));
    this.#cancels = [
      support.sessions.onChange(change => this.#soon(() => this.#changed(change))),
      support.statuses.onChange(({ memberId }) => this.#soon(() => this.#tellStatus(memberId))),
      support.groups.onChange(change => this.#soon(() => this.#tellPermissions(change))),
      ...[support.groups, support.channels].map(one => one.onChange(() => this.#soon(() => this.#showQueues()))),
      identity.logins.onEnded((loginId, _memberId, reason) => this.#end(loginId, reason)),
      clock.every(ALIVE_MS, () => {
        for (const console of this.#consoles) this.#send(console, { type: 'alive' });
      }),
      clock.every(CHECK_MS, () => this.#soon(() => this.#check())),
    ];
  }

  /** @param signedIn a technician, as the caller has seen to */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, { login, member, actor }: SignedIn): void {
    this.#server.handleUpgrade(request, socket, head, opened => {
      const console: Console = { socket: opened, loginId: login.id, memberId: member.id, isGreeted: false };
      opened.on('error', () => opened.terminate());
      opened.on('close', () => this.#consoles.delete(console));
      opened.on('message', () => opened.close(CLOSE.refused));
      const ofLogin = [...this.#consoles].filter(({ loginId }) => loginId === login.id);
      if (ofLogin.length >= MAX_SOCKETS) ofLogin[0]?.socket.close(CLOSE.refused);
      this.#consoles.add(console);
      if (this.#isClosing) return void opened.close(CLOSE.comeBack);
      // Only once what it may miss is known, so that nothing falls between the console's look and the first event.
      this.#soon(async () => {
        await this.#remember(member.id);
        if (!(await this.#isAlive(console))) return this.#signOut(console, 'ended');
        await this.#parts.support.statuses.arrive(actor, login.createdAt);
        console.isGreeted = true;
        this.#send(console, { type: 'hello' });
      });
    });
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    for (const cancel of this.#cancels) cancel();
    await Promise.all([...this.#consoles].map(({ socket }) => this.#closed(socket)));
    await this.#working;
    this.#server.close();
  }

  #closed(socket: WebSocket): Promise<void> {
    return new Promise(resolve => {
      if (socket.readyState === socket.CLOSED) return resolve();
      const cancel = this.#parts.clock.after(CLOSE_MS, () => socket.terminate());
      socket.once('close', () => {
        cancel();
        resolve();
      });
      socket.close(CLOSE.comeBack);
    });
  }

  // One after the other: a console is never told an older state after a newer one.
  #soon(work: () => Promise<void>): void {
    this.#working = this.#working.then(work).catch(error => {
      this.#parts.log.error('console-events.failed', { why: describeError(error) });
    });
  }

  async #remember(memberId: string): Promise<void> {
    const { sessions, channels } = this.#parts.support;
    for (const session of await sessions.listOpen(memberId)) {
      if (!this.#shownTo.has(session.id)) this.#shownTo.set(session.id, ownersOf(session));
    }
    const served = await channels.servedBy(memberId);
    for (const { id, channelId } of await sessions.listQueued()) {
      if (channelId === null || !served.includes(channelId)) continue;
      this.#shownTo.set(id, new Set(this.#shownTo.get(id)).add(memberId));
    }
  }

  /** Who serves what has changed: whoever may see a waiting session now does, and nobody else. */
  async #showQueues(): Promise<void> {
    if (this.#consoles.size === 0) return void this.#shownTo.clear();
    for (const session of await this.#parts.support.sessions.listQueued()) await this.#show(session, 'channel.served');
  }

  async #changed({ sessionId, event }: SessionChange): Promise<void> {
    const { sessions } = this.#parts.support;
    if (this.#consoles.size === 0) return void this.#shownTo.clear(); // whoever comes next asks for everything
    await this.#show(await sessions.get(sessionId), event);
  }

  async #show(session: SessionRow, event: string): Promise<void> {
    const { id: sessionId } = session;
    const before = this.#shownTo.get(sessionId) ?? new Set();
    const now = await this.#peopleOf(session);
    if (isOver(session.state)) this.#shownTo.delete(sessionId);
    else this.#shownTo.set(sessionId, now);
    for (const memberId of before) if (!now.has(memberId)) this.#tell(memberId, { type: 'gone', sessionId });
    if (![...this.#consoles].some(({ memberId }) => now.has(memberId))) return;
    const shown = await this.#parts.present(session);
    for (const memberId of now) this.#tell(memberId, { type: 'session', event, session: shown });
  }

  /** Its technicians; while it waits in a channel, those at a console who serve that. */
  async #peopleOf(session: SessionRow): Promise<ReadonlySet<string>> {
    const { ownerId, channelId, state } = session;
    if (ownerId !== null || channelId === null || isOver(state)) return ownersOf(session);
    const there = new Set([...this.#consoles].map(({ memberId }) => memberId));
    return new Set(await this.#parts.support.channels.serversAmong(channelId, [...there]));
  }

  async #tellStatus(memberId: string): Promise<void> {
    const { identity, support } = this.#parts;
    const member = await identity.members.find(memberId);
    if (member === undefined) return;
    const technician = { id: member.id, name: member.name, status: await support.statuses.of(memberId) };
    for (const console of this.#consoles) this.#send(console, { type: 'technician', technician });
  }

  async #tellPermissions(change: { groupIds: readonly string[]; memberIds: readonly string[] }): Promise<void> {
    const { groups } = this.#parts.support;
    for (const console of this.#consoles) {
      const isMeant =
        change.memberIds.includes(console.memberId) || change.groupIds.includes(await groups.groupOf(console.memberId));
      if (isMeant) this.#send(console, { type: 'permissions' });
    }
  }

  async #check(): Promise<void> {
    await this.#parts.identity.logins.sweep(); // whose time is over is told so, with the reason
    for (const console of this.#consoles) {
      if (!(await this.#isAlive(console))) this.#signOut(console, 'ended');
    }
  }

  #isAlive({ memberId, loginId }: Console): Promise<boolean> {
    return this.#parts.support.mayAct(memberId, loginId);
  }

  #end(loginId: string, reason: string): void {
    for (const console of this.#consoles) if (console.loginId === loginId) this.#signOut(console, reason);
  }

  #signOut(console: Console, reason: string): void {
    this.#send(console, { type: 'signed-out', reason });
    this.#consoles.delete(console); // told nothing more, whether it answers the close frame or not
    void this.#closed(console.socket);
  }

  #tell(memberId: string, event: ConsoleEvent): void {
    for (const console of this.#consoles) if (console.memberId === memberId) this.#send(console, event);
  }

  #send({ socket, isGreeted }: Console, event: ConsoleEvent): void {
    if (socket.readyState !== socket.OPEN || !(isGreeted || event.type === 'signed-out')) return;
    if (socket.bufferedAmount > MAX_UNSENT_BYTES) return void socket.terminate();
    socket.send(JSON.stringify(event), () => undefined); // a lost one is told by `close`
  }
}

function ownersOf({ ownerId, offeredTo }: Pick<SessionRow, 'ownerId' | 'offeredTo'>): ReadonlySet<string> {
  return new Set([ownerId, offeredTo].filter(one => one !== null));
}
