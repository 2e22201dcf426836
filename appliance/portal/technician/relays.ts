// Paths of a link through gateways (F-04): a pair of one-time tokens for each gateway where the session's applet has an own
// leg; the applet is told of its token there, the console gets the other.
import type { SessionId } from '../../guid.ts';
import { fromBase64Url } from '../../guid.ts';
import type { RelayPath, RelayRequest } from '../../protocol/console-api.ts';
import type { LegTokens } from '../../sessions/leg-tokens.ts';
import type { AppletLegs } from '../applet-legs.ts';
import type { GatewayAddress } from '../gateway-list.ts';

const PATH = '/gateway/relay/console';

export interface RelaysParts {
  readonly legs: Pick<AppletLegs, 'gatewaysOf' | 'attach'>;
  readonly legTokens: Pick<LegTokens, 'issue'>;
  readonly gateways: () => readonly GatewayAddress[];
}

export class Relays {
  readonly #parts: RelaysParts;

  constructor(parts: RelaysParts) {
    this.#parts = parts;
  }

  /**
   * @param loginId of the console
   * @param host the name the console itself came by: its certificate is trusted there
   * @returns none while the applet is away
   */
  async open(
    sessionId: SessionId,
    loginId: string,
    { purpose, except }: RelayRequest,
    host: string,
  ): Promise<RelayPath[]> {
    const { legs, legTokens, gateways } = this.#parts;
    const known = gateways();
    const paths: RelayPath[] = [];
    for (const id of legs.gatewaysOf(sessionId)) {
      const gateway = known.find(one => one.id === id);
      if (gateway === undefined || except.includes(id)) continue;
      const pair = await legTokens.issue(sessionId, loginId);
      if (!legs.attach(sessionId, { gateway: id, token: fromBase64Url(pair.applet), purpose })) continue;
      paths.push({ gateway: id, url: `wss://${host}:${gateway.port}${PATH}`, token: pair.console });
    }
    return paths;
  }
}
