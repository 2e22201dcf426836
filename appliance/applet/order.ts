// What is to be built, as the owner of the machine wrote it down: `DATA/applet.json`. Where processes have users of their
// own it is root's, so that a portal that was taken over leads no applet to another server (TRUST: keys and signatures).
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { ApplianceError } from '../errors.ts';
import { canonicalJson } from '../protocol/canonical-json.ts';
import type { CodeSigning } from './build-signature.ts';
import { AppletConfiguration } from './configuration.ts';

export const ORDER_FILE = 'applet.json';

const Order = z.strictObject({
  v: z.literal(1),
  /** Where packaging put it, and the hash it must have. */
  template: z.strictObject({ folder: z.string().min(1), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  ...AppletConfiguration.pick({ organisation: true, servers: true }).shape,
});
export type AppletOrder = z.infer<typeof Order>;

/** Everything a build is made from. */
export interface BuildWish {
  readonly template: AppletOrder['template'];
  readonly configuration: AppletConfiguration;
  readonly keys: CodeSigning;
}

/** @throws ApplianceError `applet.order-malformed` */
export function parseOrder(text: string): AppletOrder {
  try {
    return Order.parse(JSON.parse(text));
  } catch (cause) {
    throw new ApplianceError('malformed', 'applet.order-malformed', `${ORDER_FILE} does not say what to build`, {
      hint: 'packaging/run writes it at the start: start the appliance again.',
      cause,
    });
  }
}

/** @param trust what the signer's own keys say: whom an applet trusts is nobody's choice but theirs */
export function configurationFor(
  order: AppletOrder,
  trust: Pick<AppletConfiguration, 'anchors' | 'keys'>,
): AppletConfiguration {
  const { organisation, servers } = order;
  return AppletConfiguration.parse({ v: 1, organisation, servers, ...trust });
}

/** Stands in the manifest of what was built: another template, configuration or certificate gives another one. */
export async function digestOf({ template, configuration, keys }: BuildWish): Promise<string> {
  const certificate = await readFile(keys.certificatePath, 'utf8');
  const made = canonicalJson({ template: template.sha256, configuration, certificate });
  return createHash('sha256').update(made).digest('hex');
}
