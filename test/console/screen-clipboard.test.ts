// The console's clipboard against the applet's own, in memory.
import test from 'ava';
import { ScreenClipboard } from '../../appliance/console/screen-clipboard.ts';
import { deflate, inflate } from '../../appliance/console/zlib.ts';
import { ExtendedClipboard } from '../../appliance/customer-core/rfb/extended-clipboard.ts';
import { viewerOf } from '../../appliance/customer-core/rfb/viewer.ts';
import { type Bytes, utf8Bytes } from '../../appliance/protocol/bytes.ts';
import { ENCODING } from '../../appliance/protocol/rfb.ts';
import { writeClipboardProvide } from '../../appliance/protocol/rfb-clipboard.ts';
import { writeCutText } from '../../appliance/protocol/rfb-server-messages.ts';
import { MAX_CLIPBOARD_BYTES } from '../../appliance/protocol/screen.ts';
import { codecs } from '../support/rfb-session.ts';

class Clipboards {
  /** What the customer could paste, newest last. */
  readonly pasted: (string | null)[] = [];
  hasGrant = true;
  readonly mine: ScreenClipboard;
  readonly his: ExtendedClipboard;
  #waiting: (() => void)[] = [];

  constructor(isExtended: boolean) {
    this.mine = new ScreenClipboard({
      send: rfb => {
        if (this.hasGrant) void this.his.receive(rfb).then(() => this.#wake());
        return this.hasGrant;
      },
      changed: () => this.#wake(),
    });
    this.his = new ExtendedClipboard(codecs, bytes => void this.mine.take(bytes.slice(1)).then(() => this.#wake()));
    this.his.use(viewerOf(isExtended ? [ENCODING.extendedClipboard] : [], false));
  }

  share(): void {
    this.mine.share(true);
    this.his.share(({ text }) => this.pasted.push(text));
  }

  async until(is: () => boolean): Promise<void> {
    while (!is()) await new Promise<void>(resolve => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

const TEXTS = ['plain', 'äöüß éñ € ж 中 🙂', 'two\nlines\r\nand more', 'x'.repeat(MAX_CLIPBOARD_BYTES)];

for (const [n, text] of TEXTS.entries()) {
  test(`E-04 a text comes over whole both ways: number ${n}`, async t => {
    const both = new Clipboards(true);
    both.share();
    await both.until(() => true);
    both.his.changed({ text, image: null });
    await both.until(() => both.mine.received !== null);
    t.is(both.mine.received, text.replaceAll('\r\n', '\n'));
    both.mine.give(text);
    await both.until(() => both.mine.given?.isTaken === true && both.pasted.length > 0);
    t.deepEqual(both.pasted, [text.replaceAll('\r\n', '\n')]);
  });
}

test('E-04 without the extension Latin-1 goes as it is, and what it has not is a question mark', async t => {
  const both = new Clipboards(false);
  both.share();
  both.his.changed({ text: 'né à l’été', image: null });
  await both.until(() => both.mine.received !== null);
  t.is(both.mine.received, 'né à l?été');
  both.mine.give('Ærø €');
  await both.until(() => both.pasted.length > 0);
  t.deepEqual(both.pasted, ['Ærø ?']);
});

test('D-02 without the grant nothing goes out, nothing that comes is kept, and with its end all is forgotten', async t => {
  const both = new Clipboards(true);
  both.his.share(({ text }) => both.pasted.push(text));
  both.hasGrant = false;
  both.his.changed({ text: 'early', image: null });
  t.throws(() => both.mine.give('not yet'), { code: 'console.not-now' });
  both.hasGrant = true;
  both.mine.share(true); // what the other side can do was said before
  both.mine.give('now');
  await both.until(() => both.pasted.length > 0);
  t.deepEqual(both.pasted, ['now']);
  both.his.changed({ text: 'later', image: null });
  await both.until(() => both.mine.received === 'later');
  both.mine.share(false);
  t.is(both.mine.received, null);
  t.is(both.mine.given, null);
  await both.mine.take(writeCutText(utf8Bytes('too late'), false).slice(1));
  t.is(both.mine.received, null);
});

test('E-04 attack: clipboard bombs and nonsense are refused, and cost no more than a clipboard may', async t => {
  const both = new Clipboards(true);
  both.share();
  const extended = (bytes: Bytes) => both.mine.take(writeCutText(bytes, true).slice(1));
  const bomb = await deflate(new Uint8Array(100 * 1024 * 1024));
  t.true(bomb.length < 200_000);
  await t.throwsAsync(extended(writeClipboardProvide(1, bomb)), { instanceOf: RangeError });
  await t.throwsAsync(extended(Uint8Array.of(0, 0, 0, 0)), { code: 'protocol.malformed' });
  await t.throwsAsync(extended(Uint8Array.of(0x1f, 0, 0)), { code: 'protocol.malformed' });
  await t.throwsAsync(extended(writeClipboardProvide(1, Uint8Array.of(1, 2, 3))), { code: 'protocol.malformed' });
  const lying = await deflate(Uint8Array.of(0x7f, 0xff, 0xff, 0xff, 65));
  await t.throwsAsync(extended(writeClipboardProvide(1, lying)), { code: 'protocol.malformed' });
  t.throws(() => both.mine.give('x'.repeat(MAX_CLIPBOARD_BYTES + 1)), { code: 'console.clipboard-size' });
  t.is(both.mine.received, null);
});

test('E-04 what was flushed and has no end is decompressed as far as it goes', async t => {
  const plain = utf8Bytes('half a stream '.repeat(1000));
  const compressor = codecs.newDeflate(6);
  const flushed = await compressor.compress(plain);
  compressor.close();
  t.deepEqual(await inflate(flushed, plain.length), plain);
  await t.throwsAsync(inflate(flushed, plain.length - 1), { instanceOf: RangeError });
});
