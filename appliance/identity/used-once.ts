// What is good once, and a store that goes back in time has forgotten that it was used: codes of authenticator apps, and what an
// identity provider says. Whatever was made before a restore ended is used up by it.
import { z } from 'zod';
import type { Settings } from '../store/settings.ts';
import type { Reader, Transaction } from '../store/sql.ts';
import { useUpMemberCodes } from './member-store.ts';
import { latestStep } from './second-step.ts';
import { useUpAccountCodes } from './settings-account-store.ts';

const RESTORED = 'identity.restored';
const Restored = z.strictObject({
  /** ms UTC */
  at: z.int(),
});

/** In the transaction that begins with a restored store. @param now ms UTC */
export async function useUpBefore(tx: Transaction, settings: Settings, now: number): Promise<void> {
  await settings.set(tx, RESTORED, { at: now });
  await useUpMemberCodes(tx, latestStep(now));
  await useUpAccountCodes(tx, latestStep(now));
}

/** Whether it may have been used in what the restore took away. @param madeAt ms UTC */
export async function isFromBefore(from: Reader, settings: Settings, madeAt: number): Promise<boolean> {
  const restored = await settings.get(RESTORED, Restored, from);
  return restored !== undefined && madeAt < restored.at;
}
