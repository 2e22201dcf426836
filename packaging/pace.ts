// Fixed work of the kinds the tests do, to tell how fast a machine is just now. packaging/test runs it twice at once and takes the time.
import { pbkdf2Sync } from 'node:crypto';

const rows = Array.from({ length: 2000 }, (_, n) => ({ n, name: `row ${n}`, parts: [n, String(n)] }));
for (let round = 0; round < 150; round++) JSON.parse(JSON.stringify(rows));
pbkdf2Sync('work', 'work', 800_000, 32, 'sha256');
