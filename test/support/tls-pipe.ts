// The floor the relay is measured against: two TLS sockets of Node's, piped into one another.
//   node tls-pipe.ts FOLDER PORT FAR_PORT
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, createServer } from 'node:tls';
import { tlsSettings } from '../../appliance/gateway/tls-settings.ts';

const [folder = '', port, farPort] = process.argv.slice(2);
const read = (name: string) => readFileSync(join(folder, name));
const server = createServer({ ...tlsSettings, cert: read('own.crt'), key: read('own.key'), noDelay: true }, near => {
  const far = connect({
    ...tlsSettings,
    host: '127.0.0.1',
    port: Number(farPort),
    servername: 'localhost',
    ca: read('ca.crt'),
  });
  far.setNoDelay(true);
  for (const [one, other] of [
    [near, far],
    [far, near],
  ] as const) {
    one.pipe(other);
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
});
server.listen(Number(port), '127.0.0.1');
