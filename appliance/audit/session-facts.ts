// What entries of a session are looked for by and do not say themselves: the domain of sessions stands above this one.

export interface SessionFact {
  /** As its row has it now. */
  readonly groupId: string;
  /** Every one it has been in. */
  readonly channelIds: readonly string[];
  /** The customer's name, folded; null where he gave none, or nobody can open it any more. */
  readonly customer: string | null;
}

export interface SessionFacts {
  /** @returns by id; without those that are not there (any more) */
  of(ids: readonly string[]): Promise<ReadonlyMap<string, SessionFact>>;
}

/** A name as it is compared: whatever its case. */
export function foldName(name: string): string {
  return name.normalize('NFC').trim().toLowerCase();
}
