// A directory of people (LDAP, Active Directory), as the rest of identity sees it (C-05). It is another's machine: it may lie,
// hang or answer garbage, and then nobody signs in by it; local accounts go on.
import type { DirectoryConfig } from '../config.ts';

/** Somebody the directory knows; every text is bounded, none is to be trusted further. */
export interface DirectoryPerson {
  /** Stays when the person is renamed: entryUUID, or objectGUID in hex; at most 128 characters. */
  readonly id: string;
  readonly dn: string;
  readonly loginId: string;
  readonly name: string;
  /** Groups of the mapping, as the configuration names them, that the person is in, in whatever depth. */
  readonly groups: readonly string[];
}

/** One step of the test, in plain words. */
export interface DirectoryStep {
  readonly server: string;
  readonly name: string;
  readonly state: 'done' | 'failed' | 'skipped';
  readonly text: string;
}

export interface Directory {
  /**
   * @returns null when there is no such person, or the password is wrong
   * @throws ApplianceError `directory.…` when the directory gave no answer one could trust
   */
  authenticate(loginId: string, password: string): Promise<DirectoryPerson | null>;
  /** Costs the directory and us what a wrong password costs, so that time tells nobody who is in the directory. */
  decoy(): Promise<void>;
  /** Everyone with a login id and an id, with the groups of the mapping. */
  list(): Promise<readonly DirectoryPerson[]>;
  /** Each step with each server, none of which throws. */
  test(): Promise<readonly DirectoryStep[]>;
  close(): Promise<void>;
}

/** What a thread needs to speak with the directory. Holds the bind password: never logged, never shown. */
export interface DirectorySettings extends Omit<DirectoryConfig, 'authorities' | 'bindPasswordFile' | 'mapping'> {
  /** PEM; null for the public ones. */
  readonly authorities: string | null;
  readonly bindPassword: string;
  /** Groups of the mapping. */
  readonly groupNames: readonly string[];
}

export type DirectoryTask =
  | { readonly kind: 'authenticate'; readonly loginId: string; readonly password: string }
  | { readonly kind: 'decoy' | 'list' | 'test' };

/** What a thread answers: the value of the task, or why there is none. */
export type DirectoryReply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string };
