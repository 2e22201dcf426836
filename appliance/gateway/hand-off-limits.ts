// What an applet's own leg may take of us, before the portal has said `claimed` and after.

export interface HandOffLimits {
  /** Longest wait for the portal to take a new leg. */
  readonly portalMs: number;
  /** Longest time in which an applet that is not let in yet says nothing. */
  readonly progressMs: number;
  /** Messages and bytes of an applet that is not let in yet: a PIN, a claim and some air. */
  readonly firstMessages: number;
  readonly firstBytes: number;
  /** Legs at once that are not let in yet, overall and for one source (an IPv4 address or an IPv6 /64). */
  readonly unclaimed: number;
  readonly unclaimedPerSource: number;
  /** Messages, pings and pongs of an applet; beyond the burst it is read from no faster than this. */
  readonly messagesPerSecond: number;
  readonly messageBurst: number;
  /** What may wait for either side before the other one is not read from, bytes. */
  readonly waitingBytes: number;
  /** An applet that said nothing for so long is asked, and one that says nothing at all for longer is gone. */
  readonly pingMs: number;
  readonly silentMs: number;
  /** How long an applet may take nothing of what waits for it. */
  readonly unreadMs: number;
  /** From our close frame to the end of the connection. */
  readonly closeMs: number;
}

export const handOffLimits: HandOffLimits = {
  portalMs: 5000,
  progressMs: 20_000, // the portal may hold a PIN's answer back for 15 s when many guess
  firstMessages: 8,
  firstBytes: 32 * 1024,
  unclaimed: 1024,
  unclaimedPerSource: 64,
  messagesPerSecond: 200,
  messageBurst: 2000,
  waitingBytes: 128 * 1024,
  pingMs: 10_000,
  silentMs: 30_000,
  unreadMs: 30_000,
  closeMs: 2000,
};
