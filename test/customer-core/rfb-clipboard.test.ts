// The clipboard in both directions, with the extension and without, as far as it is shared.
import { constants, deflateSync, inflateSync } from 'node:zlib';
import test from 'ava';
import type { ClipboardContent } from '../../appliance/customer-core/input-sink.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { MAX_CLIPBOARD_BYTES } from '../../appliance/protocol/screen.ts';
import { NUMBERS } from '../support/rfb-client.ts';
import { writeClientMessage } from '../support/rfb-messages.ts';
import { RfbSession, ZSTD_VIEWER } from '../support/rfb-session.ts';

const PNG = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1, 2, 3);
const CAPS = 0x0100_0000;
const REQUEST = 0x0200_0000;
const PEEK = 0x0400_0000;
const NOTIFY = 0x0800_0000;
const PROVIDE = 0x1000_0000;
const [TEXT, PICTURE] = [1, 0x100];

function extended(...parts: (number | Uint8Array)[]): Bytes {
  const bytes = Buffer.concat(parts.map(part => (typeof part === 'number' ? u32(part) : part)));
  return writeClientMessage({ type: 'cut-text', extended: true, bytes: Uint8Array.from(bytes) });
}

function plain(text: string): Bytes {
  return writeClientMessage({ type: 'cut-text', extended: false, bytes: Uint8Array.from(Buffer.from(text, 'latin1')) });
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

function provide(text: string): Bytes {
  const bytes = Buffer.from(`${text}\0`);
  return extended(PROVIDE | TEXT, deflateSync(Buffer.concat([u32(bytes.length), bytes])));
}

/** A viewer that is connected, and what it put on the customer's clipboard. */
async function sharing(encodings = ZSTD_VIEWER): Promise<{ session: RfbSession; received: ClipboardContent[] }> {
  const session = new RfbSession({ encodings });
  await session.settle();
  const received: ClipboardContent[] = [];
  session.server.shareClipboard(content => received.push(content));
  await session.calm();
  return { session, received };
}

const last = ({ client }: RfbSession) => Buffer.from(client.cutTexts.at(-1)?.bytes ?? []);

test('E-04 what the customer copies is announced, and sent when the viewer asks for it', async t => {
  const { session } = await sharing();
  t.is(last(session).readUInt32BE(), (0x1f00_0000 | TEXT | PICTURE) >>> 0); // what we take
  await session.server.receiveCutText(extended(CAPS | TEXT | PICTURE, 0, 0));
  session.server.clipboardChanged({ text: 'grüße\n€ 中', image: PNG });
  await session.calm();
  t.is(last(session).readUInt32BE(), NOTIFY | TEXT | PICTURE);
  await session.server.receiveCutText(extended(REQUEST | TEXT));
  await session.calm();
  t.is(last(session).readUInt32BE(), PROVIDE | TEXT);
  const inflate = (bytes: Buffer) => inflateSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH });
  t.is(inflate(last(session).subarray(4)).subarray(4).toString(), 'grüße\r\n€ 中\0');
  await session.server.receiveCutText(extended(REQUEST | PICTURE));
  await session.calm();
  t.deepEqual(Uint8Array.from(inflate(last(session).subarray(4)).subarray(4)), PNG);
  session[Symbol.dispose]();
});

test('E-04 what the viewer has is asked for and put on the customer’s clipboard', async t => {
  const { session, received } = await sharing();
  await session.server.receiveCutText(extended(NOTIFY | TEXT | 2));
  await session.calm();
  t.is(last(session).readUInt32BE(), REQUEST | TEXT);
  await session.server.receiveCutText(provide('ein\r\nText'));
  const picture = deflateSync(Buffer.concat([u32(PNG.length), PNG]));
  await session.server.receiveCutText(extended(PROVIDE | PICTURE, picture));
  t.deepEqual(received, [
    { text: 'ein\nText', image: null },
    { text: null, image: PNG },
  ]);
  session[Symbol.dispose]();
});

test('E-04 a viewer that asks what there is is told, also when there is nothing', async t => {
  const { session } = await sharing();
  await session.server.receiveCutText(extended(PEEK));
  await session.calm();
  t.is(last(session).readUInt32BE(), NOTIFY);
  session[Symbol.dispose]();
});

test('E-04 without the extension Latin-1 goes both ways as it is', async t => {
  const { session, received } = await sharing(ZSTD_VIEWER.filter(encoding => encoding !== NUMBERS.extendedClipboard));
  t.deepEqual(session.client.cutTexts, []);
  session.server.clipboardChanged({ text: 'é ж\r\n.', image: null });
  await session.calm();
  t.is(last(session).toString('latin1'), 'é ?\n.');
  await session.server.receiveCutText(plain('é\r\n'));
  t.deepEqual(received, [{ text: 'é\n', image: null }]);
  session[Symbol.dispose]();
});

test('D-04 attack: while the clipboard is not shared nothing comes or goes, and nothing old comes after', async t => {
  using session = new RfbSession();
  await session.settle();
  const received: ClipboardContent[] = [];
  session.server.clipboardChanged({ text: 'secret', image: null });
  await session.server.receiveCutText(provide('a'));
  await session.calm();
  t.deepEqual(session.client.cutTexts, []);
  session.server.shareClipboard(content => received.push(content));
  await session.server.receiveCutText(extended(REQUEST | TEXT));
  await session.calm();
  t.is(session.client.cutTexts.length, 1); // what we take
  const late = session.server.receiveCutText(provide('b'));
  session.server.shareClipboard(null);
  await late;
  session.server.clipboardChanged({ text: 'secret', image: null });
  await session.server.receiveCutText(extended(REQUEST | TEXT));
  await session.calm();
  t.is(session.client.cutTexts.length, 1);
  t.deepEqual(received, []);
});

test('D-04 attack: a clipboard on the picture’s own stream is dropped and counted, like keys and mouse', async t => {
  const { session, received } = await sharing();
  session.client.send(plain('x'));
  session.client.send(provide('x'));
  session.client.send(writeClientMessage({ type: 'key', down: true, keysym: 97, scanCode: 30 }));
  session.client.send(writeClientMessage({ type: 'key', down: true, keysym: 97, scanCode: 0 }));
  session.client.send(writeClientMessage({ type: 'pointer', x: 1, y: 1, buttons: 1 }));
  await session.calm();
  t.deepEqual(received, []);
  t.is(session.server.droppedInputs, 5);
  session[Symbol.dispose]();
});

test('E-04 attack: clipboard bombs are refused before they are large', async t => {
  const { session, received } = await sharing();
  const bomb = (bytes: number) => extended(PROVIDE | TEXT, deflateSync(Buffer.alloc(bytes)));
  for (const bytes of [3_000_000, 100_000_000]) {
    await t.throwsAsync(session.server.receiveCutText(bomb(bytes)), { code: 'protocol.malformed' });
  }
  const long = provide('ä'.repeat(MAX_CLIPBOARD_BYTES / 2 + 1));
  await t.throwsAsync(session.server.receiveCutText(long), { code: 'protocol.malformed' });
  const noise = extended(PROVIDE | TEXT, Buffer.from('no zlib at all'));
  await t.throwsAsync(session.server.receiveCutText(noise), { code: 'protocol.malformed' });
  await session.server.receiveCutText(provide('ä'.repeat(MAX_CLIPBOARD_BYTES / 2)));
  t.deepEqual(
    received.map(({ text }) => text?.length),
    [MAX_CLIPBOARD_BYTES / 2],
  );
  session[Symbol.dispose]();
});

test('E-04 what is too large for the viewer stays with the customer', async t => {
  const { session } = await sharing();
  const before = session.client.cutTexts.length;
  session.server.clipboardChanged({ text: 'x'.repeat(MAX_CLIPBOARD_BYTES + 1), image: new Uint8Array(1_000_001) });
  await session.server.receiveCutText(extended(REQUEST | TEXT | PICTURE));
  await session.calm();
  t.is(last(session).readUInt32BE(), NOTIFY);
  t.is(session.client.cutTexts.length, before + 1);
  session[Symbol.dispose]();
});
