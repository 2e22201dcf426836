// How long a request may take: a minute for everybody, an hour for who is signed in and brings a large file.
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { allowLong, SocketListener } from '../../appliance/portal/socket-listener.ts';
import { TempFolder } from '../support/temp-folder.ts';

test('J-05 attack: whoever is not signed in yet holds no request open by sending byte after byte', async t => {
  using folder = new TempFolder();
  const path = join(folder.path, 'portal.sock');
  const answerer = {
    async handle(request: IncomingMessage, response: ServerResponse) {
      if (request.url === '/known') allowLong(request);
      let bytes = 0;
      try {
        for await (const piece of request) bytes += piece.length;
        response.end(`${bytes} bytes`);
      } catch {
        // It was ended.
      }
    },
  };
  const listener = new SocketListener(path, answerer, { takesLong: true, requestMs: 100 });
  await listener.listen();
  const begin = (url: string) => {
    const socket = connect(path);
    socket.on('error', () => undefined);
    socket.write(`POST ${url} HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nconnection: close\r\n\r\nab`);
    return socket;
  };
  const [stranger, known] = [begin('/stranger'), begin('/known')];
  await once(stranger, 'close');
  t.is(stranger.bytesRead, 0, 'ended without an answer');
  known.write('cde');
  let answer = '';
  for await (const piece of known) answer += piece;
  t.regex(answer, /^HTTP\/1\.1 200 .*5 bytes/s);
  await listener.close();
});
