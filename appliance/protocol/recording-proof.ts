// What of a recorded stream the applet vouches for. Its word counts where the recorder has signed that the very place it names
// has the very digest it names: elsewhere nobody can tell whether both speak of the same bytes.
import { fromBase64Url } from '../guid.ts';
import type { Bytes } from './bytes.ts';
import { equalBytes } from './bytes.ts';
import { parseAttestation, parseRecordingReceipt, type StreamPlace } from './recording-receipt.ts';

/** As the manifest of a recording has it. */
export interface SaidProof {
  /** Of the manifest. Version 1 has the last receipt only, so that an attestation of an earlier place was compared with nothing. */
  readonly v: unknown;
  /** Bytes of the stream that are in the film. */
  readonly offset: unknown;
  readonly receipt?: unknown;
  /** For the place the applet attests, where that is not the last one that was proved. */
  readonly attestedReceipt?: unknown;
  readonly attestation?: unknown;
}

export interface AttestedPart {
  /** Whether recorder and applet speak of the same bytes; `unknown`: no receipt is for the place that is attested. */
  readonly is: 'same' | 'other' | 'unknown' | 'none';
  /** Bytes of the film's stream that the applet does not vouch for. */
  readonly unattested: number;
}

/** @throws ApplianceError `protocol.malformed` */
export function attestedPart(said: SaidProof): AttestedPart {
  const offset = Number(said.offset);
  const attestation = signedIn(said.attestation);
  if (attestation === null) return { is: 'none', unattested: offset };
  const attested = parseAttestation(attestation.payload);
  const is = compare(attested, receiptsIn(said));
  const isBelieved = is === 'same' || (is === 'unknown' && said.v === 1);
  return { is, unattested: isBelieved ? Math.max(0, offset - attested.offset) : offset };
}

/** Each receipt of a manifest, with its signature. */
export function signedReceiptsIn({ receipt, attestedReceipt }: SaidProof) {
  return [signedIn(receipt), signedIn(attestedReceipt)].filter(signed => signed !== null);
}

export function signedIn(value: unknown): { readonly payload: Bytes; readonly signature: string } | null {
  if (typeof value !== 'object' || value === null || !('payload' in value) || !('signature' in value)) return null;
  return { payload: fromBase64Url(String(value.payload)), signature: String(value.signature) };
}

function receiptsIn(said: SaidProof): StreamPlace[] {
  return signedReceiptsIn(said).map(({ payload }) => parseRecordingReceipt(payload));
}

function compare(attested: StreamPlace, proved: readonly StreamPlace[]): AttestedPart['is'] {
  const there = proved.filter(({ offset }) => offset === attested.offset);
  if (there.length === 0) return 'unknown';
  return there.every(({ digest }) => equalBytes(digest, attested.digest)) ? 'same' : 'other';
}
