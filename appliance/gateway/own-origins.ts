// Which pages may open WebSockets here: those this appliance gave itself, on this gateway or another one of it. Browsers
// say where a page is from in `Origin`; applets name the gateway they ask.
import type { IncomingMessage } from 'node:http';
import type { ApplianceConfig } from '../config.ts';
import { Hosts } from './hosts.ts';

const ORIGIN = /^https:\/\/([a-z0-9.-]{1,254})(?::([0-9]{1,5}))?$/;
const HTTPS_PORT = 443;

type Named = Pick<ApplianceConfig, 'names' | 'gateways' | 'listen'>;

export class OwnOrigins {
  #hosts: Hosts;
  #ports: ReadonlySet<number>;

  constructor(config: Named) {
    this.#hosts = new Hosts(config.names);
    this.#ports = portsOf(config);
  }

  /** From here on names and ports of this configuration. */
  replace(config: Named): void {
    this.#hosts = new Hosts(config.names);
    this.#ports = portsOf(config);
  }

  /** @param request with a Host that has been found to be ours */
  isOwn(request: IncomingMessage): boolean {
    const origin = onlyHeader(request, 'origin')?.toLowerCase();
    if (origin === undefined) return false;
    if (origin === `https://${request.headers.host?.toLowerCase()}`) return true;
    // A page of the first gateway attaches at the second one: same names, another port.
    const [, host, port] = ORIGIN.exec(origin) ?? [];
    if (host === undefined || this.#hosts.find(host, undefined) === undefined) return false;
    return this.#ports.has(port === undefined ? HTTPS_PORT : Number(port));
  }
}

/** The value of a header that stands in the request exactly once. */
export function onlyHeader(request: IncomingMessage, name: string): string | undefined {
  const values = request.headersDistinct[name] ?? [];
  return values.length === 1 ? values[0] : undefined;
}

function portsOf({ gateways, listen }: Named): ReadonlySet<number> {
  return new Set(gateways.flatMap(({ port }, at) => port ?? (at === 0 ? [listen.port] : [])));
}
