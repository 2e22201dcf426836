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

/** Asked again until it may be asked, for the applet's rights have their lease a moment after the link is there. */
export async function askFor(action: string, { technician, session }: Pick<Linked, 'technician' | 'session'>) {
  for (;;) {
    await technician.untilThat(() => (session.link.phase === 'open' ? true : undefined)); // a gateway may just have been killed
    session.ask(action);
    const state = await technician.untilThat(() => {
      const now = session.requests.lastOf(action)?.state;
      return now === 'sent' ? undefined : now;
    });
    if (state === 'asked' || state === 'allowed' || state === 'running') return;
    await delay(ASKED_AGAIN_MS);
  }
}

/** Asked, and answered yes. */
export async function allow(action: string, { technician, customer, session }: Linked): Promise<void> {
  await askFor(action, { technician, session });
  const question = await customer.untilThat(() => customer.state.question ?? undefined);
  customer.session.answer(question.consentId, 'yes');
  await technician.untilThat(() => session.requests.grantOf(action) ?? undefined);
}
