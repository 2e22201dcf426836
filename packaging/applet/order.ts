// Writes the order by which the signer builds the applets (appliance/applet/order.ts). The portal never does.
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AppletOrder, ORDER_FILE } from '../../appliance/applet/order.ts';
import type { ApplianceConfig } from '../../appliance/config.ts';

const MAX_SERVERS = 16;

/** @param template where it is and the hash it must have */
export function writeAppletOrder(
  dataFolder: string,
  config: Pick<ApplianceConfig, 'names' | 'listen' | 'gateways' | 'organisation'>,
  { folder, sha256 }: AppletOrder['template'],
): void {
  const organisation = config.organisation.name;
  const order: AppletOrder = { v: 1, template: { folder, sha256 }, organisation, servers: serversOf(config) };
  const path = join(dataFolder, ORDER_FILE);
  writeFileSync(`${path}.new`, `${JSON.stringify(order, null, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
}

/**
 * Whom an applet asks for the list of gateways, in this order: each name on the main port, then on those of further
 * gateways. An applet connects to these names as they are; `applet.<name>` is what it asks for by SNI (DESIGN 12.7), so
 * there is no further name to be entered in DNS.
 */
export function serversOf({
  names,
  listen,
  gateways,
}: Pick<ApplianceConfig, 'names' | 'listen' | 'gateways'>): AppletOrder['servers'] {
  const ports = [listen.port, ...gateways.slice(1).flatMap(({ port }) => port ?? [])];
  return ports.flatMap(port => names.map(host => ({ host, port }))).slice(0, MAX_SERVERS);
}
