// The customer's pages as they are served: a real portal with identity, sessions and store, behind the real edge or asked
// on its own, and a small program where the applet would be.
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeDeflated } from '../../appliance/applet/deflated.ts';
import { AppletDownloads } from '../../appliance/applet/downloads.ts';
import { prepare, preparedPaths } from '../../appliance/applet/prepared.ts';
import type { Actor } from '../../appliance/audit/entry.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import type { GatewayAddress } from '../../appliance/portal/gateway-list.ts';
import type { Portal } from '../../appliance/portal/portal.ts';
import type { Support } from '../../appliance/portal/support.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { TAG_SIZE, tagMessage } from '../../appliance/protocol/tag.ts';
import type { Entries } from '../../appliance/sessions/entries.ts';
import type { Sessions } from '../../appliance/sessions/sessions.ts';
import { openTestIdentity, type TestIdentity } from '../identity/open-identity.ts';
import { openParts, openTestPortal } from '../portal/open-support.ts';
import { newSigner } from '../sessions/open-sessions.ts';
import { TempFolder } from '../support/temp-folder.ts';

export const TINA = { kind: 'member', id: 'A'.repeat(22), name: 'Tina Technician', address: '192.0.2.10' } as const;
const PROGRAM_BYTES = 200_000;

export interface CustomerPages extends Omit<TestIdentity, 'entries'> {
  readonly portal: Portal;
  readonly support: Support;
  readonly sessions: Sessions;
  readonly entries: Entries;
  /** Where the program is, or is not yet. */
  readonly appletFolder: string;
  /** SPKI of the key that signs tags, base64url. */
  readonly tagKey: string;
  /** Puts the small program in place, as the signer does when it is built. */
  prepareProgram(): Promise<void>;
  /** A session nobody has claimed, with a PIN and the code of a link. */
  invite(actor?: Actor & { id: string; name: string }): Promise<Invitation>;
}

export interface Invitation {
  readonly id: Awaited<ReturnType<Sessions['create']>>['id'];
  readonly pin: string;
  readonly code: string;
}

export interface OpenPagesOptions {
  readonly organisation?: string;
  readonly tagKey?: KeyObject;
  /** Instead of a folder of its own. */
  readonly appletFolder?: string;
  readonly gateways?: () => readonly GatewayAddress[];
}

export async function openCustomerPages(options: OpenPagesOptions = {}): Promise<CustomerPages> {
  const at = await openTestIdentity();
  const temp = new TempFolder();
  const { appletFolder = temp.path, organisation = 'Kestrel Works' } = options;
  const parts = await openParts(at, newSigner(at.clock).signer);
  const { sessions, entries } = parts.support;
  const pair = generateKeyPairSync('ed25519');
  const privateKey = options.tagKey ?? pair.privateKey;
  const signTag = async (head: Bytes) => new Uint8Array(sign(null, tagMessage(head), privateKey));
  const portal = await openTestPortal(at, parts, {
    programs: new AppletDownloads({ folder: appletFolder, signTag }),
    gateways: () => options.gateways?.() ?? [{ id: 'gateway-1', host: 'localhost', port: 8443 }],
    organisation: { name: organisation, timeZone: 'Europe/London' },
    publicFolder: temp.path,
    metrics: at.metrics,
  });
  const session = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
  for (const purpose of ['session', 'receipts'])
    writeFileSync(join(temp.path, `${purpose}.pub`), session.export({ type: 'spki', format: 'pem' }));
  return {
    ...{ ...at, portal, support: parts.support, sessions, entries, appletFolder },
    tagKey: pair.publicKey.export({ type: 'spki', format: 'der' }).toString('base64url'),
    prepareProgram: () => prepareProgram(appletFolder),
    invite: async (actor = TINA) => {
      const { id } = await sessions.create(actor, { groupId: ROOT_GROUP_ID, customerName: 'Carl' });
      const { pin } = await entries.makePin(id, actor);
      return { id, pin, code: (await entries.makeLink(id, actor)).code };
    },
    close: async () => {
      await Promise.all([portal.close(), parts.legs.close()]);
      await parts.support.close();
      await at.close();
      temp[Symbol.dispose]();
    },
  };
}

async function prepareProgram(folder: string): Promise<void> {
  const { path } = preparedPaths(folder, 'linux-x64');
  writeFileSync(path, randomBytes(PROGRAM_BYTES));
  const none = '0'.repeat(64);
  const facts = { version: '1.2.3', template: none, sha256: none, inputs: none, builtAt: 0 };
  await writeDeflated(path);
  await prepare(folder, { platform: 'linux-x64', ...facts }, { offset: PROGRAM_BYTES, size: TAG_SIZE }, path);
}

/** The file a download gives, for `readOwnTag`. */
export function keep(folder: string, name: string, body: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, body);
  return path;
}
