// From the PIN to the first line of a chat (E-01): the applet runs already and has asked for the PIN; the technician picks up
// as soon as the customer is in his queue.
import { startAppliance } from '../support/appliance.ts';
import { type Benches, figure, median } from '../support/bench-line.ts';
import { Customer } from '../support/customer.ts';
import { Technician } from '../support/technician.ts';

const ROUNDS = 9;

async function measure(): Promise<number> {
  await using appliance = await startAppliance({ accounts: true });
  await using technician = await Technician.signIn(appliance, appliance.accounts?.technician);
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const { session, pin } = await technician.make();
    const from = performance.now();
    await using customer = await Customer.enter(appliance, pin);
    await technician.until(session.id, ({ state }) => state === 'waiting');
    const picked = await technician.pickUp(session.id);
    picked.write('Good morning');
    await customer.line('Good morning');
    customer.session.chat('Good morning to you');
    await technician.untilThat(() => picked.chat.lines.find(({ author }) => author === 'customer'));
    times.push(performance.now() - from);
  }
  return median(times);
}

export const benches: Benches = {
  'pin-to-chat': async () => [figure('pin-to-chat', await measure(), `ms, median of ${ROUNDS}`, 2000)],
};
