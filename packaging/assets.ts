// Compresses style and scripts where the portal looks for them, for an installed appliance can't write there.
import { resolve } from 'node:path';
import { ASSET_CACHE, makeAssets } from '../appliance/portal/portal.ts';

const cache = resolve(import.meta.dirname, '..', ASSET_CACHE);
await makeAssets({ demo: true, cache });
