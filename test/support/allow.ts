import { setTimeout as delay } from 'node:timers/promises';
import type { TechnicianSession } from '../../appliance/console/technician-session.ts';
import type { Customer } from './customer.ts';
import type { Technician } from './technician.ts';

const ASKED_AGAIN_MS = 200;

export interface Linked {
  readonly technician: Technician;
  readonly customer: Customer;
  readonly session: TechnicianSession;
}

/** Asked again until it may be asked, for the applet's rights have their lease a moment after the link is there; answered yes. */
export async function allow(action: string, { technician, customer, session }: Linked): Promise<void> {
  const { requests } = session;
  for (;;) {
    session.ask(action);
    const state = await technician.untilThat(() => {
      const now = requests.lastOf(action)?.state;
      return now === 'sent' ? undefined : now;
    });
    if (state === 'asked') break;
    await delay(ASKED_AGAIN_MS);
  }
  const question = await customer.untilThat(() => customer.state.question ?? undefined);
  customer.session.answer(question.consentId, 'yes');
  await technician.untilThat(() => requests.grantOf(action) ?? undefined);
}
