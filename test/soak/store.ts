// kill -9 on the store's writer at any moment, a hundred times over one store (G-03, B-05): what was acknowledged is there,
// nothing is torn, the chain holds.
import { join } from 'node:path';
import type { Soaks } from '../support/soak.ts';
import { killWriters } from '../support/store-kills.ts';
import { TempFolder } from '../support/temp-folder.ts';

const ROUNDS = 100;

export const soaks: Soaks = {
  'store-kills': async () => {
    using folder = new TempFolder();
    const { acknowledged, lost, torn, chainHolds, integrity } = await killWriters(join(folder.path, 'store'), ROUNDS);
    const isWhole = lost === 0 && torn === 0 && chainHolds && integrity === 'ok';
    const detail = `${acknowledged} acknowledged, ${torn} torn, chain ${chainHolds ? 'holds' : 'broken'}, integrity ${integrity}`;
    return { soak: 'store-kills', rounds: ROUNDS, lost, ok: isWhole && acknowledged >= ROUNDS, detail };
  },
};
