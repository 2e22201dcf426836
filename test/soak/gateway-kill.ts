// 200 gateways killed or silenced in mid-chat, alone and in pairs: every line once, on both sides and in the log (J-02).
import { ChatUnderFaults, type GatewayFault } from '../support/gateway-faults.ts';
import type { Soaks } from '../support/soak.ts';

async function run(soak: string, gateways: number, faults: readonly GatewayFault[], rounds: number) {
  await using chat = await ChatUnderFaults.start(gateways);
  for (let round = 0; round < rounds; round++)
    await chat.round(faults[round % faults.length] ?? 'kill', `line ${round}`);
  const missing = await chat.missing();
  const detail = missing.length === 0 ? 'every line once, in order' : missing.join(', ');
  return { soak, rounds, lost: missing.length, ok: missing.length === 0, detail };
}

export const soaks: Soaks = {
  'gateway-kill-two': () => run('gateway-kill-two', 2, ['kill', 'stop'], 150),
  'gateway-kill-one': () => run('gateway-kill-one', 1, ['kill'], 50),
};
