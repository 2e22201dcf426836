import { createHash, randomBytes } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { portalAuthoriser } from '../../appliance/gateway/portal-authoriser.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { readBody } from '../support/test-edge.ts';

const TOKEN = 'A'.repeat(43);

async function listen(t: ExecutionContext, portal: RequestListener): Promise<string> {
  const folder = new TempFolder();
  const path = join(folder.path, 'portal-internal.sock');
  const server = createServer(portal);
  await new Promise<void>(resolve => server.listen(path, resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
    folder[Symbol.dispose]();
  });
  return path;
}

test('F-04 the portal is asked by digest, with the role, and its pair is taken', async t => {
  const asked: string[] = [];
  const path = await listen(t, async (request, response) => {
    asked.push(`${request.method} ${request.url}`, await readBody(request));
    response.end('{"pairId":"abc_-9"}');
  });
  const secret = randomBytes(32);
  const token = secret.toString('base64url');
  t.deepEqual(await portalAuthoriser(path)({ token, role: 'applet' }), { pairId: 'abc_-9' });
  const digest = createHash('sha256').update(secret).digest('base64url'); // of the bytes, as leg-tokens.ts keeps it
  t.deepEqual(asked, ['POST /internal/relay/authorise', JSON.stringify({ digest, role: 'applet' })]);
});

test('F-04 403 means no; anything else but a good answer means nobody knows', async t => {
  const path = await listen(t, (_request, response) => response.writeHead(403).end());
  t.is(await portalAuthoriser(path)({ token: TOKEN, role: 'console' }), undefined);
  const answers: RequestListener[] = [
    (_request, response) => response.writeHead(500).end('{"pairId":"a"}'),
    (_request, response) => response.end('not JSON'),
    (_request, response) => response.end('{"pairId":"a","more":1}'),
    (_request, response) => response.end('{"pairId":"a b"}'),
    (_request, response) => response.end(JSON.stringify({ pairId: 'a'.repeat(100_000) })),
    (_request, response) => response.destroy(),
  ];
  for (const portal of answers) {
    const ask = portalAuthoriser(await listen(t, portal));
    await t.throwsAsync(ask({ token: TOKEN, role: 'console' }), { code: 'gateway.portal-unreachable' });
  }
  await t.throwsAsync(portalAuthoriser('/nowhere.sock')({ token: TOKEN, role: 'console' }), {
    code: 'gateway.portal-unreachable',
  });
});
