// What the relay allows a leg. A leg has shown a one-time token, so these bound mistakes and one bad session, not strangers.

export interface RelayLimits {
  /** The longest the authoriser may take over a token. */
  readonly authoriseMs: number;
  /** How long a leg waits for the other one. */
  readonly waitMs: number;
  /** A leg that said nothing for so long is asked. */
  readonly pingMs: number;
  /** A leg that said nothing for so long is gone. */
  readonly silentMs: number;
  /** How long a leg may leave unread what waits for it, while the other one is not read from. */
  readonly unreadMs: number;
  /** From our close frame to the end of the connection. */
  readonly closeMs: number;
  /** Pings, pongs and closes of one leg. */
  readonly controlPerSecond: number;
}

export const relayLimits: RelayLimits = {
  authoriseMs: 5000,
  waitMs: 30_000,
  pingMs: 10_000,
  silentMs: 30_000,
  unreadMs: 30_000,
  closeMs: 2000,
  controlPerSecond: 200,
};
