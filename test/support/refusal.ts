import { ApplianceError } from '../../appliance/errors.ts';

/** The code of the error an act ends with; `accepted` where it ends with none. */
export async function refusal(act: Promise<unknown>): Promise<string> {
  try {
    await act;
    return 'accepted';
  } catch (error) {
    if (error instanceof ApplianceError) return error.code;
    throw error;
  }
}
