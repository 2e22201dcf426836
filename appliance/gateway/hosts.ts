// Which names this appliance answers to. Any other Host is somebody else's, or a page that had its own name rebound to
// our address (DNS rebinding), and gets 421.
import { isIP } from 'node:net';
import { plainAddress } from './source.ts';

const APPLET_PREFIX = 'applet.';
/** RFC 9110 §7.2: a name, an IPv4 address or an IPv6 address in brackets, and a port or none. */
const HOST = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9.-]{1,254}))(?::[0-9]{1,5})?$/;

/** True where SNI asks for the appliance CA's certificate, whatever browsers are shown (DESIGN 12.7). */
export function isAppletName(name: string): boolean {
  return name.toLowerCase().startsWith(APPLET_PREFIX);
}

export class Hosts {
  #names: ReadonlySet<string> = new Set();

  /** @param names those of the configuration, lower case; each is also known as `applet.<name>` */
  constructor(names: readonly string[]) {
    this.replace(names);
  }

  /** From here on these names, and no others. */
  replace(names: readonly string[]): void {
    this.#names = new Set(names.flatMap(name => [name, `${APPLET_PREFIX}${name}`]));
  }

  /**
   * @param header the Host header as received
   * @param localAddress where the connection came in. A literal of just this address is ours: nothing can be rebound to
   * a literal, and first setup may have no name yet
   * @returns the host without its port, lower case, as a URL takes it; undefined when it is not one of ours
   */
  find(header: string, localAddress: string | undefined): string | undefined {
    const parts = HOST.exec(header);
    if (!parts) return undefined;
    const [, ipv6, name] = parts;
    const host = (ipv6 ?? name ?? '').toLowerCase().replace(/\.$/, '');
    if (isIP(host) !== 0 && localAddress !== undefined && sameAddress(host, plainAddress(localAddress))) {
      return ipv6 === undefined ? host : `[${host}]`;
    }
    return this.#names.has(host) ? host : undefined;
  }
}

function sameAddress(one: string, other: string): boolean {
  return canonical(one) === canonical(other);
}

/** One spelling for each IPv6 address (RFC 5952), as the URL parser writes it. */
function canonical(address: string): string {
  return isIP(address) === 6 ? new URL(`http://[${address.split('%')[0]}]/`).hostname : address;
}
