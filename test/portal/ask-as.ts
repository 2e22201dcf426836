// Asks the appliance as somebody who is signed in, over TLS through the gateway.
import type { Answer, Appliance, Asking } from '../support/appliance.ts';

type Asked = Pick<Appliance, 'url' | 'fetch'>;

export function own(appliance: Asked): Record<string, string> {
  return { origin: appliance.url, 'sec-fetch-site': 'same-origin' };
}

export function post(
  appliance: Asked,
  path: string,
  fields: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = own(appliance),
): Promise<Answer> {
  const body = new URLSearchParams(fields).toString();
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  return appliance.fetch(path, { method: 'POST', body, headers: { ...type, ...headers } } satisfies Asking);
}

/** @returns the cookie to send, `__Host-login=…` */
export async function signInAs(
  appliance: Asked,
  account: { readonly loginId: string; readonly password: string } | undefined,
): Promise<string> {
  const { loginId = '', password = '' } = account ?? {};
  const answer = await post(appliance, '/sign-in', { loginId, password });
  if (answer.status !== 303) throw new Error(`signing in gave ${answer.status}`);
  return cookieOf(answer);
}

export function cookieOf(answer: Answer): string {
  return (answer.headers['set-cookie']?.[0] ?? '').split(';')[0] ?? '';
}
