// What a technician sends to a customer: a link, and an e-mail around it to copy. Plain and honest: who invites, what will
// happen, that it takes a yes each time, and what to do when it was not asked for.
import type { MadeSession } from '../../protocol/console-api.ts';

export interface Invitation {
  readonly link: string;
  readonly pin: string;
  readonly organisation: string;
  readonly technician: string;
  readonly customerName: string | null;
  /** `https://support.example.com`, without a slash. */
  readonly home: string;
}

/** @param name the appliance's first name; @param port of its first gateway */
export function homeAddress(name: string, port: number): string {
  return `https://${name}${port === 443 ? '' : `:${port}`}`;
}

export function writeInvitation(invitation: Invitation): MadeSession['email'] {
  const { link, pin, technician, customerName, home } = invitation;
  const organisation = invitation.organisation || 'our support team';
  const body = [
    customerName === null ? 'Hello,' : `Hello ${customerName},`,
    '',
    `${technician} of ${organisation} invites you to a remote support session. It begins when you open this link:`,
    '',
    link,
    '',
    `Or open ${home} and type this PIN: ${pin}`,
    '',
    'You can use your browser, or download a small program. Nothing is installed. Before anyone sees your screen or',
    'does anything on your computer you are asked, each time, and you can end the session at any moment.',
    '',
    'Did you not ask for help? Then do not open the link, and do not give the PIN to anyone. People who call without',
    'being asked, who talk of viruses, refunds or your bank, or who are in a hurry are not from us. Nobody of',
    `${organisation} will ever ask you for a password or for money in such a session.`,
    '',
    'The link can be used once and is good for a day.',
  ];
  return { subject: `Remote support by ${organisation}`, body: body.join('\n') };
}
