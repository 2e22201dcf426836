// One-time tokens of a relay's two legs (F-04): 32 bytes each, issued as a pair, bound to session and role, good for 30 s
// and one use. Kept as SHA-256; a token that was shown wrong, late or twice is worth nothing.
import { randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { type SessionId, toBase64Url } from '../guid.ts';
import type { Metrics } from '../metrics.ts';
import type { Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { countLegTokens, dropExpiredLegTokens, insertLegToken, takeLegToken } from './entry-store.ts';
import type { RelayPairs } from './relay-pairs.ts';
import { sha256 } from './session-secrets.ts';
import { isOver } from './session-state.ts';
import type { Sessions } from './sessions.ts';

export const LEG_TOKEN_MS = 30_000;
const TOKEN_BYTES = 32;
/** Unused ones of a session: far more than a console that tries all gateways again and again needs in 30 s. */
const MAX_TOKENS = 128;
export type Leg = 'console' | 'applet';

/** Tokens in base64url, 43 characters each; legs of one pair meet in one relay. */
export interface LegPair {
  readonly pairId: string;
  readonly console: string;
  readonly applet: string;
}

export class LegTokens {
  readonly #store: Store;
  readonly #sessions: Sessions;
  readonly #clock: Clock;
  readonly #pairs: RelayPairs | undefined;
  readonly #refused;

  constructor({
    store,
    sessions,
    clock,
    metrics,
    pairs,
  }: { store: Store; sessions: Sessions; clock: Clock; metrics: Metrics; pairs?: RelayPairs }) {
    this.#pairs = pairs;
    this.#store = store;
    this.#sessions = sessions;
    this.#clock = clock;
    this.#refused = metrics.counter('leg_tokens_refused_total', 'Tokens of relay legs that were refused.');
  }

  /** @param loginId whose console asks @throws ApplianceError `session.over`, `leg-token.too-many` */
  issue(sessionId: SessionId, loginId: string | null = null): Promise<LegPair> {
    const pairId = toBase64Url(randomBytes(16));
    const now = this.#clock.now();
    return this.#store.core.transaction(async tx => {
      const { state } = await this.#sessions.get(sessionId, tx);
      if (isOver(state)) throw new ApplianceError('conflict', 'session.over', 'the session is over');
      await dropExpiredLegTokens(tx, now);
      if ((await countLegTokens(tx, sessionId)) + 2 > MAX_TOKENS) {
        throw new ApplianceError('limited', 'leg-token.too-many', 'too many relays were asked for; try again in 30 s');
      }
      const pair = { pairId, sessionId, loginId, expiresAt: now + LEG_TOKEN_MS };
      return { pairId, console: await draw(tx, pair, 'console'), applet: await draw(tx, pair, 'applet') };
    });
  }

  /**
   * Uses it up.
   * @param digest base64url of the token's SHA-256: the token itself ends at the gateway
   * @throws ApplianceError `leg-token.refused`, which never says why
   */
  async use(digest: string, role: Leg): Promise<{ pairId: string; sessionId: SessionId; loginId?: string }> {
    const bytes = /^[A-Za-z0-9_-]{43}$/.test(digest) ? Buffer.from(digest, 'base64url') : Buffer.alloc(0);
    const now = this.#clock.now();
    const found = await this.#store.core.transaction(tx => takeLegToken(tx, { digest: bytes, role, now }));
    if (found !== undefined) {
      this.#pairs?.used(found.pairId, found.sessionId);
      return found;
    }
    this.#refused.add({ role });
    throw new ApplianceError('refused', 'leg-token.refused', 'that token is not valid');
  }
}

async function draw(
  tx: Transaction,
  pair: { pairId: string; sessionId: SessionId; loginId: string | null; expiresAt: number },
  role: Leg,
): Promise<string> {
  const token = randomBytes(TOKEN_BYTES);
  await insertLegToken(tx, { ...pair, role, digest: sha256(token) });
  return toBase64Url(token);
}
