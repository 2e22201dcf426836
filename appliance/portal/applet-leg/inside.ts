// What an applet asks and tells once it is in its session. Each message gets its one answer, or none; whatever was said
// here is the applet's word about its own session and nothing else.
import type { Actor } from '../../audit/entry.ts';
import { ApplianceError } from '../../errors.ts';
import { fromBase64Url, type SessionId, toBase64Url } from '../../guid.ts';
import type { FromApplet, FromAppliance } from '../../protocol/applet-leg.ts';
import { malformed } from '../../protocol/bytes.ts';
import type { SignedObject } from '../../sessions/rights.ts';
import type { SessionRow } from '../../sessions/session-store.ts';
import { customerActor } from '../../sessions/sessions.ts';
import type { Support } from '../support.ts';
import { refusalOf } from './entering.ts';

type Message<Type extends FromApplet['type']> = Extract<FromApplet, { type: Type }>;
type Handlers = { readonly [Type in FromApplet['type']]?: (message: Message<Type>) => Promise<FromAppliance | null> };

export interface InsideParts {
  readonly support: Pick<Support, 'sessions' | 'rights' | 'actions' | 'codes' | 'recordings'>;
  readonly sessionId: SessionId;
  readonly address: string;
  /** Whether the next credential is that of a new process after a restart; asked once it was given. */
  readonly restart: { isDue(): boolean; done(): void };
}

export class Inside {
  readonly #parts: InsideParts;
  readonly #actor: Actor;
  readonly #handlers: Handlers = {
    'ask-time': async ({ nonce }) => ({ type: 'time', ...signed(await this.#rights.time(toBase64Url(nonce))) }),
    certify: message => this.#certify(message),
    'link-started': ({ linkId, handshake }) => this.#startLink(toBase64Url(linkId), toBase64Url(handshake)),
    'ask-lease': message => this.#lease(message),
    report: async report => {
      const { acknowledged } = await this.#parts.support.actions.report(this.#parts.sessionId, report);
      return { type: 'acknowledged', count: acknowledged };
    },
    receipt: message => this.#receipt(message),
    attestation: async signed => {
      await this.#parts.support.recordings.attested(this.#parts.sessionId, signed, this.#actor);
      return null;
    },
    stopped: async ({ consent }) => {
      await this.#rights.customerStopped(this.#parts.sessionId, toBase64Url(consent));
      return null;
    },
    codes: async ({ linkId, match }) => {
      const { support, sessionId } = this.#parts;
      await support.codes.say(sessionId, 'customer', { actor: this.#actor, linkId: toBase64Url(linkId), match });
      return null; // `compared` is told to every leg
    },
    end: async ({ reason }) => {
      await this.#parts.support.sessions.end(this.#parts.sessionId, this.#actor, reason);
      return null; // `ended` is told to every leg
    },
    alive: async () => null,
  };

  constructor(parts: InsideParts) {
    this.#parts = parts;
    this.#actor = { ...customerActor, address: parts.address };
  }

  get #rights() {
    return this.#parts.support.rights;
  }

  /** @throws ApplianceError for what ends the leg, and of kind `conflict` for what came too late to matter */
  async take<Type extends FromApplet['type']>(message: Message<Type>): Promise<FromAppliance | null> {
    const handle = this.#handlers[message.type as Type];
    if (handle === undefined) throw malformed('said after the session was claimed');
    return handle(message);
  }

  async #certify({ spk, nonce }: Message<'certify'>): Promise<FromAppliance> {
    const { support, sessionId, restart } = this.#parts;
    try {
      const session = await support.sessions.get(sessionId);
      const isRestart = restart.isDue();
      const credential = await this.#rights.credential(session, {
        role: 'applet',
        spk: toBase64Url(spk),
        nonce: toBase64Url(nonce),
        features: [],
        restart: isRestart,
      });
      if (isRestart) restart.done();
      return { type: 'credential', ...signed(credential), policy: new Uint8Array(credential.policy) };
    } catch (error) {
      return { type: 'credential-refused', reason: refusalOf(error) };
    }
  }

  async #startLink(linkId: string, handshakeHash: string): Promise<null> {
    const { support, sessionId } = this.#parts;
    await support.codes.linkStarted(await support.sessions.startLink(sessionId, { linkId, handshakeHash }));
    return null;
  }

  async #lease({ linkId, nonce }: Message<'ask-lease'>): Promise<FromAppliance> {
    try {
      const asked = { linkId: toBase64Url(linkId), nonce: toBase64Url(nonce) };
      return { type: 'lease', ...signed(await this.#rights.lease(this.#parts.sessionId, asked)) };
    } catch (error) {
      // A signer that is away says nothing about rights: the applet asks again, and its lease runs on meanwhile.
      if (error instanceof ApplianceError && error.kind === 'unavailable') throw error;
      return { type: 'lease-refused', reason: refusalOf(error) };
    }
  }

  async #receipt(receipt: Message<'receipt'>): Promise<FromAppliance | null> {
    const { support, sessionId } = this.#parts;
    const { answer, consentId: consent } = await support.actions.consent(sessionId, receipt);
    if (answer !== 'yes') return null;
    try {
      const technician = technicianOf(await support.sessions.get(sessionId));
      const grant = await this.#rights.grant(sessionId, technician, receipt);
      return { type: 'grant', consent, ...signed(grant) };
    } catch (error) {
      return { type: 'grant-refused', consent, reason: refusalOf(error) };
    }
  }
}

function signed({ payload, signature }: SignedObject) {
  return { payload: new Uint8Array(payload), signature: fromBase64Url(signature) };
}

function technicianOf({ ownerId, ownerName }: SessionRow): Actor {
  return { kind: 'member', id: ownerId, name: ownerName, address: null };
}
