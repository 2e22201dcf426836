// The demo technician's first step, made for him: he signs in as on the page, makes a session and signs out again.
import { once } from 'node:events';
import { request } from 'node:https';
import { z } from 'zod';
import { ApplianceError } from '../../appliance/errors.ts';
import type { Endpoint } from '../listening.ts';

const ANSWER_TIMEOUT_MS = 20_000; // a password's hash, on a busy machine
const Account = z.object({ loginId: z.string(), password: z.string() });
const Made = z.object({ pin: z.string(), link: z.string() });

export interface Invitation {
  readonly pin: string;
  /** https://…/s/CODE */
  readonly link: string;
}

/** @param account as demo-accounts prints it @throws ApplianceError `demo.no-session` */
export async function invite(at: Endpoint, account: unknown): Promise<Invitation> {
  const { loginId, password } = Account.parse(account);
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const signedIn = await ask(at, '/sign-in', new URLSearchParams({ loginId, password }).toString(), form);
  const cookie = signedIn.cookie;
  if (signedIn.status !== 303 || cookie === undefined) throw noSession(`signing in gave ${signedIn.status}`);
  const wish = JSON.stringify({ customerName: 'Demo customer', language: 'en' });
  const json = { 'content-type': 'application/json', cookie };
  const made = await ask(at, '/technician/api/sessions', wish, json);
  await ask(at, '/sign-out', '', { ...form, cookie });
  if (made.status !== 200) throw noSession(`making a session gave ${made.status}`);
  return Made.parse(JSON.parse(made.text));
}

function noSession(why: string): ApplianceError {
  return new ApplianceError('unavailable', 'demo.no-session', `the demo technician has no session: ${why}`, {
    hint: 'He may have turned on two-step or lost a permission here. Start with a new --data folder.',
  });
}

async function ask(at: Endpoint, path: string, body: string, headers: Readonly<Record<string, string>>) {
  const own = `${at.host}${at.port === 443 ? '' : `:${at.port}`}`;
  const sent = request({
    host: { '::': '127.0.0.1', '0.0.0.0': '127.0.0.1' }[at.address] ?? at.address,
    port: at.port,
    servername: `applet.${at.host}`, // as in listening.ts
    ca: at.ca,
    agent: false,
    method: 'POST',
    path,
    headers: { ...headers, host: own, origin: `https://${own}`, 'content-length': Buffer.byteLength(body) },
    signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
  });
  sent.end(body);
  const [answer] = await once(sent, 'response');
  const text = Buffer.concat(await answer.toArray()).toString('utf8');
  const [set]: string[] = answer.headers['set-cookie'] ?? [];
  return { status: Number(answer.statusCode), text, cookie: set?.split(';')[0] };
}
