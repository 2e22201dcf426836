// The link's console end in a browser's Worker against the applet's end in Node: one source, two platforms.
import test from 'ava';
import type { FromLinkWorker, LinkView } from '../../appliance/console/link-messages.ts';
import type { LinkStream } from '../../appliance/link/stream.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { Collector, hex, textBytes } from '../link/support.ts';
import { WorkerPage } from './worker-page.ts';

type Said<T extends FromLinkWorker['type']> = Extract<FromLinkWorker, { type: T }>;

const isView =
  (fits: (view: LinkView) => boolean) =>
  (message: FromLinkWorker): message is Said<'view'> =>
    message.type === 'view' && fits(message.view);
const isOpen = isView(({ phase }) => phase === 'open');

/** The applet's ends of the two streams a console opens. */
async function streamsOf(page: WorkerPage): Promise<Record<'chat' | 'consent', LinkStream>> {
  await page.until(isOpen);
  const found: LinkStream[] = [];
  await new Promise<void>(resolve => {
    page.applet.onStream(stream => {
      found.push(stream);
      if (found.length === 2) resolve();
    });
  });
  const named = (kind: string) => {
    const stream = found.find(one => one.kind === kind);
    if (stream === undefined) throw new Error(`the console opened no stream ${kind}`);
    return stream;
  };
  return { chat: named('chat'), consent: named('consent') };
}

function texts(messages: readonly Bytes[]): string[] {
  return messages.map(bytes => Buffer.from(bytes).toString());
}

/** Texts of the stream `chat` as the page got them; each is taken, so that the next one comes. */
async function hear(page: WorkerPage, linkId: string, count: number): Promise<string[]> {
  const heard: string[] = [];
  for (let n = 1; n <= count; n++) {
    await page.until(() => page.heard.filter(({ type }) => type === 'message').length >= n);
    const message = page.heard.filter((one): one is Said<'message'> => one.type === 'message')[n - 1];
    if (message !== undefined) heard.push(...texts([message.bytes]));
    await page.post({ type: 'took', linkId, stream: 'chat' });
  }
  return heard;
}

test.serial('B-02 the Worker and Node shake hands, see the same codes, and carry messages both ways', async t => {
  await using page = await WorkerPage.open();
  const { chat, consent } = await streamsOf(page);
  const { view } = await page.until(isOpen);
  const { linkId } = view;
  if (linkId === null) return t.fail('an open link without an id');
  t.is(view.shortString, page.applet.shortString);
  t.is(hex(page.applet.id), Buffer.from(linkId, 'base64url').toString('hex'));
  t.is(page.applet.peer.role, 'console');
  t.deepEqual([chat.priority, consent.priority], [2, 0]);

  const there = new Collector(chat);
  for (let i = 0; i < 50; i++) await page.post({ type: 'send', linkId, stream: 'chat', bytes: textBytes(`c${i}`) });
  for (let i = 0; i < 50; i++) chat.send(textBytes(`a${i}`));
  await there.until(50);
  t.deepEqual(
    texts(there.messages),
    Array.from({ length: 50 }, (_, i) => `c${i}`),
  );
  t.deepEqual(
    await hear(page, linkId, 50),
    Array.from({ length: 50 }, (_, i) => `a${i}`),
  );
  t.deepEqual(page.complaints, []);
});

test.serial('J-02 a lost path comes back by itself on the same link, with nothing lost or repeated', async t => {
  await using page = await WorkerPage.open();
  const { chat } = await streamsOf(page);
  const { view } = await page.until(isOpen);
  const linkId = view.linkId ?? '';
  const there = new Collector(chat);
  for (let i = 0; i < 10; i++) await page.post({ type: 'send', linkId, stream: 'chat', bytes: textBytes(`c${i}`) });
  page.sockets[0]?.terminate();
  for (let i = 10; i < 20; i++) await page.post({ type: 'send', linkId, stream: 'chat', bytes: textBytes(`c${i}`) });
  for (let i = 0; i < 20; i++) chat.send(textBytes(`a${i}`));
  await there.until(20);
  t.deepEqual(
    texts(there.messages),
    Array.from({ length: 20 }, (_, i) => `c${i}`),
  );
  t.deepEqual(
    await hear(page, linkId, 20),
    Array.from({ length: 20 }, (_, i) => `a${i}`),
  );
  t.true(page.heard.some(isView(({ phase }) => phase === 'detached')));
  t.is(page.heard.findLast(isOpen)?.view.linkId, linkId);
});

test.serial('J-02 a second gateway is attached beforehand and takes over without a gap in the link', async t => {
  await using page = await WorkerPage.open();
  const { chat } = await streamsOf(page);
  const there = new Collector(chat);
  page.gateways = ['gateway-1', 'gateway-2'];
  await page.post({ type: 'hurry' });
  const two = await page.until(isView(({ paths }) => paths.length === 2));
  const linkId = two.view.linkId ?? '';
  t.deepEqual(
    two.view.paths.map(({ gateway, active }) => [gateway, active]),
    [
      ['gateway-1', true],
      ['gateway-2', false],
    ],
  );
  page.gateways = ['gateway-2'];
  const before = page.heard.length;
  page.sockets[0]?.terminate();
  await page.post({ type: 'send', linkId, stream: 'chat', bytes: textBytes('still here') });
  await there.until(1);
  t.deepEqual(texts(there.messages), ['still here']);
  t.false(page.heard.slice(before).some(isView(({ phase }) => phase === 'detached')));
});

test.serial('B-03 a page that never takes a message bounds what the Worker holds', async t => {
  await using page = await WorkerPage.open();
  const { chat } = await streamsOf(page);
  let sent = 0;
  while (chat.send(textBytes('x'.repeat(8192)))) sent++;
  await page.until(({ type }) => type === 'message');
  t.true(chat.queuedBytes > 0, 'what is not taken stays with who sends it');
  t.is(page.heard.filter(({ type }) => type === 'message').length, 1);
  t.true(sent * 8192 < 1024 * 1024);
});
