// What strangers may take of the gateway before, and after, anyone knows who they are.

export interface EdgeLimits {
  /** Request line and headers together, bytes. */
  readonly headerBytes: number;
  /** From the first byte of TLS to its end. */
  readonly handshakeMs: number;
  /** From the start of a connection or request to the end of its headers. */
  readonly headersMs: number;
  /** Longest pause within a request's body. */
  readonly bodySilenceMs: number;
  /** Longest wait for the portal's answer to begin. */
  readonly answerMs: number;
  /** Longest time in which a client takes nothing of an answer that waits for it. */
  readonly unreadMs: number;
  /** How long an idle kept-alive connection of a client stays open. */
  readonly keepAliveMs: number;
  /** Connections at once, overall and for one source (an IPv4 address or an IPv6 /64). */
  readonly connections: number;
  readonly connectionsPerSource: number;
  /** Connections of one source whose handshake is not done. */
  readonly handshakesPerSource: number;
  /** Upgraded connections at once, overall and for one source. */
  readonly upgrades: number;
  readonly upgradesPerSource: number;
  /** Requests under way at once: overall, and pipelined on one connection. */
  readonly requests: number;
  readonly requestsPerConnection: number;
  /** Time that requests under way have when the gateway ends; the process has 3 s. */
  readonly drainMs: number;
}

/** A source may be a whole organisation behind one address, so its share is large. */
export const edgeLimits: EdgeLimits = {
  headerBytes: 16_384,
  handshakeMs: 10_000,
  headersMs: 10_000,
  bodySilenceMs: 30_000,
  answerMs: 60_000,
  unreadMs: 60_000,
  keepAliveMs: 65_000,
  connections: 32_768,
  connectionsPerSource: 4096,
  handshakesPerSource: 256,
  upgrades: 24_576, // 5,000 sessions: two relay legs and the applet's own each, consoles, and some air
  upgradesPerSource: 2048,
  requests: 4096,
  requestsPerConnection: 16,
  drainMs: 2000,
};
