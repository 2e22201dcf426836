// What the appliance put into the signed part of this program: which servers, whom to trust, whose name to show. There is
// no other place an applet takes a server or a trust anchor from: no argument, no environment, no tag, no message.
import { z } from 'zod';

const MAX_SERVERS = 16;
/** The key in use and one successor. */
const keys = z
  .array(z.strictObject({ kid: z.string().length(16), spki: z.string().regex(/^[A-Za-z0-9_-]{40,200}$/) }))
  .min(1)
  .max(2);

const server = z.strictObject({ host: z.string().min(1).max(253), port: z.int().min(1).max(65_535) });

export const AppletConfiguration = z.strictObject({
  v: z.literal(1),
  /** Shown to the customer; may be empty before first setup. */
  organisation: z.string().max(120),
  /** Asked for the list of gateways, in this order. */
  servers: z.array(server).min(1).max(MAX_SERVERS),
  /** The appliance's CA and the next one, PEM. */
  anchors: z.array(z.string().startsWith('-----BEGIN CERTIFICATE-----')).min(1).max(2),
  keys: z.strictObject({ session: keys, receipts: keys, 'gateway-list': keys, tag: keys, 'log-head': keys }),
});
export type AppletConfiguration = z.infer<typeof AppletConfiguration>;
export type PinnedPurpose = keyof AppletConfiguration['keys'];
export type ServerAddress = z.infer<typeof server>;

export const CONFIGURATION_ASSET = 'configuration.json';

/** @throws ZodError for anything but a configuration of this version: then the program was not built right */
export function parseConfiguration(text: string): AppletConfiguration {
  return AppletConfiguration.parse(JSON.parse(text));
}
