// What a customer said of himself before the session; it is kept sealed under its key (B-05).
import { ApplianceError } from '../errors.ts';
import type { SessionId } from '../guid.ts';
import type { SessionKeys } from '../store/session-keys.ts';

export interface CustomerSaid {
  /** Null where he didn't, or it was erased. */
  readonly name: string | null;
  readonly question: string | null;
}

const saidNothing: CustomerSaid = { name: null, question: null };

export function sealCustomer(
  keys: Pick<SessionKeys, 'seal'>,
  id: SessionId,
  said: { readonly name: string; readonly question?: string },
): Promise<Uint8Array> {
  return keys.seal(id, customerLabel(id), Buffer.from(JSON.stringify(said)));
}

/** Nothing once the session's key was destroyed. */
export async function openCustomer(
  keys: Pick<SessionKeys, 'open'>,
  { id, customer }: { readonly id: SessionId; readonly customer: Uint8Array | null },
): Promise<CustomerSaid> {
  if (customer === null) return saidNothing;
  try {
    const said = JSON.parse(Buffer.from(await keys.open(id, customerLabel(id), customer)).toString('utf8'));
    return { name: String(said.name), question: typeof said.question === 'string' ? said.question : null };
  } catch (error) {
    if (error instanceof ApplianceError && error.code === 'session-key.destroyed') return saidNothing;
    throw error;
  }
}

function customerLabel(id: SessionId): string {
  return `session/${id}/customer`;
}
