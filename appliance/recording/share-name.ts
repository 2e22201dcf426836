// Names of auditors' accounts on the recording share: nothing else in the machine's list of users looks like one, so the
// helper that runs as root can't be talked into touching another.
import { createHash } from 'node:crypto';

const NAME = /^aud-[a-z0-9]{1,14}-[0-9a-f]{8}$/;
const READABLE = 14;

/** `aud-anna-3f9a1c07`: what can be kept of the login id, and what tells two alike apart. */
export function shareNameFor(memberId: string, loginId: string): string {
  const [local = ''] = loginId.split('@');
  const readable = local
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
    .slice(0, READABLE);
  const digest = createHash('sha256').update(`appliance/share-name/v1\0${memberId}`).digest('hex');
  return `aud-${readable || 'auditor'}-${digest.slice(0, 8)}`;
}

export function isShareName(name: string): boolean {
  return NAME.test(name);
}
