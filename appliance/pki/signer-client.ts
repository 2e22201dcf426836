// Asks the signer. One kept-alive connection per call under way, a deadline, and no silent retry: whoever needs a
// signature must know that there is none.
import { Agent, type IncomingMessage, request } from 'node:http';
import { z } from 'zod';
import { ApplianceError } from '../errors.ts';
import { fromBase64Url, toBase64Url } from '../guid.ts';
import type { LogHead } from './log-heads.ts';
import type { CertificatePair } from './server-certificate.ts';
import type { SessionType, SignedObject } from './session-objects.ts';
import { PURPOSES, type PublicKeyInfo, type Purpose, type Signature } from './signature.ts';
import type { RequestInput, Verb } from './signer-verbs.ts';

const DEADLINE_MS = 5000;
const RSA_DEADLINE_MS = 30_000; // making an RSA key takes a second on a busy machine, and is rare
const MAX_ANSWER_BYTES = 256 * 1024;

const Signed = z.strictObject({ kid: z.string(), signature: z.string(), payload: z.string() });
const KeyInfo = z.strictObject({ kid: z.string(), spki: z.string() });
const Refusal = z.object({
  kind: z.enum(['malformed', 'unauthenticated', 'refused', 'missing', 'conflict', 'limited', 'unavailable', 'defect']),
  code: z.string(),
  message: z.string(),
  hint: z.string(),
});

export interface SignedBytes extends Signature {
  /** What the signature is over, after the domain: canonical JSON with `kid`, to be handed on as it is. */
  readonly payload: Uint8Array<ArrayBuffer>;
}

export class SignerClient {
  readonly #socketPath: string;
  readonly #deadlineMs: number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 });

  /** @param options.deadlineMs in which the whole answer must be there; 5 s */
  constructor({ socketPath, deadlineMs = DEADLINE_MS }: { socketPath: string; deadlineMs?: number }) {
    this.#socketPath = socketPath;
    this.#deadlineMs = deadlineMs;
  }

  /** @throws ApplianceError `signer.log-not-continued`, `signer.unreachable` */
  signLogHead({ log, seq, hash }: LogHead): Promise<SignedBytes> {
    return this.#sign('sign-log-head', { log, seq, hash });
  }

  /**
   * @param object without `v`, `type` and `kid`: the signer puts them in
   * @param options.restart an applet's second key in a session, with the ticket of a granted restart
   * @throws ApplianceError `signer.second-applet-key`, `signer.time-wrong`, `signer.malformed`, `signer.unreachable`
   */
  signSessionObject(
    object: SignedObject,
    type: SessionType,
    { restart = false }: { restart?: boolean } = {},
  ): Promise<SignedBytes> {
    return this.#sign('sign-session-object', { type, payload: object, restart });
  }

  signReceipt(payload: SignedObject): Promise<SignedBytes> {
    return this.#sign('sign-receipt', { payload });
  }

  signGatewayList(payload: SignedObject): Promise<SignedBytes> {
    return this.#sign('sign-gateway-list', { payload });
  }

  signManifest(payload: SignedObject): Promise<SignedBytes> {
    return this.#sign('sign-manifest', { payload });
  }

  /** @param payload the 30 bytes of a download's tag that stand before its signature (`writeTagHead`) */
  signTag(payload: Uint8Array): Promise<SignedBytes> {
    return this.#sign('sign-tag', { payload: toBase64Url(payload) });
  }

  /** A fresh RSA key with a certificate of the appliance CA; `installServerCertificate` puts it in place. */
  async issueServerCertificate(wish: RequestInput<'issue-server-certificate'>): Promise<CertificatePair> {
    const answer = await this.#ask('issue-server-certificate', wish, RSA_DEADLINE_MS);
    return shaped(z.strictObject({ certificate: z.string(), key: z.string() }), answer);
  }

  /** PKCS#10 for a key made for it, which stays on the appliance and waits for its certificate. @returns PEM */
  async writeCertificateRequest(wish: RequestInput<'write-certificate-request'>): Promise<string> {
    const answer = await this.#ask('write-certificate-request', wish, RSA_DEADLINE_MS);
    return shaped(z.strictObject({ request: z.string() }), answer).request;
  }

  async publicKeys(): Promise<Record<Purpose, PublicKeyInfo>> {
    return shaped(z.record(z.enum(PURPOSES), KeyInfo), await this.#ask('public-keys', {}));
  }

  /** Has the applets built as they were ordered, where they are not. @returns `no-order`, `building`, `ready`, `failed` */
  async buildApplet(): Promise<string> {
    return shaped(z.strictObject({ state: z.string().max(32) }), await this.#ask('build-applet', {})).state;
  }

  close(): void {
    this.#agent.destroy();
  }

  async #sign<V extends Verb>(verb: V, body: RequestInput<V>): Promise<SignedBytes> {
    const { kid, signature, payload } = shaped(Signed, await this.#ask(verb, body));
    return { kid, signature, payload: fromBase64Url(payload) };
  }

  #ask<V extends Verb>(verb: V, body: RequestInput<V>, deadlineMs = this.#deadlineMs): Promise<unknown> {
    const text = JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const unreachable = (cause: unknown) => reject(noSigner(verb, cause));
      const sent = request({
        socketPath: this.#socketPath,
        path: `/v1/${verb}`,
        method: 'POST',
        agent: this.#agent,
        signal: AbortSignal.timeout(deadlineMs), // over all of it, so that dripping does not help
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      });
      sent.on('response', answer => {
        readAnswer(answer).then(({ status, body }) => {
          if (status === 200) resolve(body);
          else reject(refusalFrom(verb, body));
        }, unreachable);
      });
      sent.on('error', unreachable);
      sent.end(text);
    });
  }
}

async function readAnswer(answer: IncomingMessage): Promise<{ status: number; body: unknown }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new RangeError('the answer is too long');
    chunks.push(chunk);
  }
  return { status: answer.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString('utf8')) };
}

function refusalFrom(verb: Verb, body: unknown): ApplianceError {
  const { success, data } = Refusal.safeParse(body);
  if (!success) return noSigner(verb, undefined);
  return new ApplianceError(data.kind, data.code, data.message, { hint: data.hint });
}

function shaped<T>(schema: z.ZodType<T>, answer: unknown): T {
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  throw new ApplianceError('unavailable', 'signer.unreachable', 'what answers is not this signer', {
    hint: 'All processes must be of one version: restart the appliance.',
    cause: result.error,
  });
}

function noSigner(verb: Verb, cause: unknown): ApplianceError {
  return new ApplianceError('unavailable', 'signer.unreachable', `the signer did not answer ${verb}`, {
    hint: 'Look at the log of the process signer; it is started again by itself.',
    cause,
  });
}
