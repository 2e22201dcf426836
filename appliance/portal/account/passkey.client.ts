// Asks the browser for a passkey when a form with `data-passkey` is sent, and sends its answer along. The request comes
// from `data-options`; what the browser answers is judged by the server alone.
const SUPPORTED = typeof PublicKeyCredential === 'function' && window.isSecureContext;

interface Descriptor {
  readonly type: 'public-key';
  readonly id: string;
  readonly transports: AuthenticatorTransport[];
}

interface GetOptions extends Omit<PublicKeyCredentialRequestOptions, 'challenge' | 'allowCredentials'> {
  readonly challenge: string;
  readonly allowCredentials: readonly Descriptor[];
}

interface CreateOptions extends Omit<PublicKeyCredentialCreationOptions, 'challenge' | 'user' | 'excludeCredentials'> {
  readonly challenge: string;
  readonly user: { readonly id: string; readonly name: string; readonly displayName: string };
  readonly excludeCredentials: readonly Descriptor[];
}

/** What to tell the person, by the name of the error (WebAuthn §5.1.3, §5.1.4). */
const EXPLANATIONS: Record<string, string> = {
  NotAllowedError: 'Cancelled, or time ran out. Nothing was changed; you can try again, or take another way.',
  InvalidStateError: 'This device has a passkey of yours already.',
  SecurityError: 'Passkeys do not work under this address. Open the page under a name of the appliance.',
};

export function offerPasskey(form: HTMLFormElement): void {
  const button = form.querySelector('button');
  const says = form.querySelector<HTMLElement>('[data-says]');
  if (button === null || says === null) return;
  if (!SUPPORTED) {
    button.disabled = true;
    says.textContent = 'This browser has no passkeys. Take another way, or a newer browser.';
    return;
  }
  form.addEventListener('submit', event => {
    event.preventDefault();
    button.disabled = true;
    says.textContent = 'Your browser asks for the passkey now.';
    send(form).catch(error => {
      button.disabled = false;
      says.textContent = explain(error);
      button.focus();
    });
  });
}

/** The page is left when it went well. */
async function send(form: HTMLFormElement): Promise<void> {
  const answer = form.querySelector<HTMLInputElement>('input[name=answer]');
  if (answer === null) return;
  const options = await ask(form.dataset.options ?? '');
  const credential = form.dataset.passkey === 'create' ? await create(options) : await get(options);
  answer.value = JSON.stringify(credential);
  form.submit();
}

async function ask(address: string) {
  const headers = { 'Content-Type': 'application/json', Accept: 'application/json' };
  const response = await fetch(address, { method: 'POST', headers, body: '{}' });
  if (response.ok) return response.json();
  const { message = '', hint = '' } = await response.json().catch(() => ({}));
  throw new Error(`${message || 'the appliance did not answer as it should'}. ${hint}`);
}

async function create({ challenge, user, excludeCredentials, ...rest }: CreateOptions) {
  const publicKey = {
    ...rest,
    challenge: toBytes(challenge),
    user: { ...user, id: toBytes(user.id) },
    excludeCredentials: excludeCredentials.map(described),
  };
  const made = await navigator.credentials.create({ publicKey });
  if (!(made instanceof PublicKeyCredential && made.response instanceof AuthenticatorAttestationResponse))
    throw empty();
  const { clientDataJSON, attestationObject } = made.response;
  const transports = made.response.getTransports?.() ?? [];
  const response = { clientDataJSON: toText(clientDataJSON), attestationObject: toText(attestationObject), transports };
  return { id: made.id, rawId: toText(made.rawId), type: made.type, response };
}

async function get({ challenge, allowCredentials, ...rest }: GetOptions) {
  const publicKey = { ...rest, challenge: toBytes(challenge), allowCredentials: allowCredentials.map(described) };
  const found = await navigator.credentials.get({ publicKey });
  if (!(found instanceof PublicKeyCredential && found.response instanceof AuthenticatorAssertionResponse))
    throw empty();
  const { clientDataJSON, authenticatorData, signature, userHandle } = found.response;
  const response = {
    clientDataJSON: toText(clientDataJSON),
    authenticatorData: toText(authenticatorData),
    signature: toText(signature),
    userHandle: userHandle === null ? null : toText(userHandle),
  };
  return { id: found.id, rawId: toText(found.rawId), type: found.type, response };
}

function described({ type, id, transports }: Descriptor): PublicKeyCredentialDescriptor {
  return { type, id: toBytes(id), ...(transports.length > 0 && { transports }) };
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return 'That did not work.';
  return EXPLANATIONS[error.name] ?? `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}`;
}

function empty(): Error {
  return new Error('the browser gave no passkey');
}

function toBytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), character => character.charCodeAt(0));
}

function toText(bytes: ArrayBuffer): string {
  const plain = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return plain.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
