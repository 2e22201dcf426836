// The signed list of gateways (F-02): what an applet may connect to, under a key it has pinned. Signed anew when half its
// time is over or the configuration has changed; it holds nothing an applet may not tell anyone.
import type { Clock } from '../clock.ts';
import type { ApplianceConfig } from '../config.ts';
import { toBase64Url } from '../guid.ts';
import type { SignerClient } from '../pki/signer-client.ts';

/** Applets look at no list that is over by a day or more: their computer's clock may be wrong (applet/gateways.ts). */
const LIFETIME_MS = 60 * 60_000;

export interface SignedGatewayList {
  /** base64url of canonical JSON: `{v, type, kid, issuedAt, expiresAt, gateways: [{id, host, port}]}`, ms UTC. */
  readonly payload: string;
  readonly kid: string;
  /** base64url, r ‖ s. */
  readonly signature: string;
}

export interface GatewayAddress {
  readonly id: string;
  /** The appliance's first name; an applet asks it for the certificate of `applet.<name>`. */
  readonly host: string;
  readonly port: number;
}

export interface GatewayListOptions {
  readonly signer: Pick<SignerClient, 'signGatewayList'>;
  readonly clock: Clock;
  /** As it is now: first setup changes it. */
  readonly config: () => Pick<ApplianceConfig, 'names' | 'listen' | 'gateways'>;
}

export class GatewayList {
  readonly #options: GatewayListOptions;
  #last: { readonly about: string; readonly until: number; readonly signed: Promise<SignedGatewayList> } | null = null;

  constructor(options: GatewayListOptions) {
    this.#options = options;
  }

  gateways(): GatewayAddress[] {
    const { names, listen, gateways } = this.#options.config();
    const [host = 'localhost'] = names;
    return gateways.flatMap(({ id, port }, index) => {
      const listens = port ?? (index === 0 ? listen.port : undefined);
      return listens === undefined ? [] : [{ id, host, port: listens }]; // one without a port doesn't start
    });
  }

  /** @throws ApplianceError `signer.unreachable` */
  current(): Promise<SignedGatewayList> {
    const now = this.#options.clock.now();
    const gateways = this.gateways();
    const about = JSON.stringify(gateways);
    if (this.#last?.about === about && now < this.#last.until) return this.#last.signed;
    const signed = this.#sign(gateways, now);
    const last = { about, until: now + LIFETIME_MS / 2, signed };
    this.#last = last;
    signed.catch(() => {
      if (this.#last === last) this.#last = null; // the next one asks again
    });
    return signed;
  }

  async #sign(gateways: GatewayAddress[], issuedAt: number): Promise<SignedGatewayList> {
    const list = { v: 1, type: 'gateway-list', issuedAt, expiresAt: issuedAt + LIFETIME_MS };
    const plain = gateways.map(({ id, host, port }) => ({ id, host, port }));
    const { payload, kid, signature } = await this.#options.signer.signGatewayList({ ...list, gateways: plain });
    return { payload: toBase64Url(payload), kid, signature };
  }
}
