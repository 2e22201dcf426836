// Asks the portal whether a leg's one-time token is good; the portal alone knows tokens, by digest, and uses them up.
//   POST /internal/relay/authorise {"digest": base64url of SHA-256 of the token's 32 bytes, "role": "console" | "applet",
//                                  "address": the peer's, for the allow lists of whoever asked for the token}
//   200 {"pairId": "…"} · 403 not good
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { fromBase64Url } from '../guid.ts';
import { callPortal, parseReply, portalUnreachable } from './portal-call.ts';
import type { Authorise } from './relay.ts';

const PATH = '/internal/relay/authorise';
const MAX_ANSWER_BYTES = 4096;
const PATIENCE_MS = 4000; // less than the relay's own

const Answer = z.strictObject({ pairId: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/) });

/** @param socketPath `run/portal-internal.sock` */
export function portalAuthoriser(socketPath: string): Authorise {
  return async ({ token, role, address }) => {
    // The digest, not the token: what a log or a core dump of the portal shows is of no use to anyone.
    const digest = createHash('sha256').update(fromBase64Url(token)).digest('base64url');
    const { status, text } = await callPortal(socketPath, {
      method: 'POST',
      path: PATH,
      body: JSON.stringify({ digest, role, address }),
      mostAnswerBytes: MAX_ANSWER_BYTES,
      patienceMs: PATIENCE_MS,
    });
    if (status === 403) return undefined;
    const answer = status === 200 ? Answer.safeParse(parseReply(text)) : undefined;
    if (!answer?.success) throw portalUnreachable(`the portal answered ${status}`);
    return answer.data;
  };
}
