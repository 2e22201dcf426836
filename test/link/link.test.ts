import { createHash, randomBytes } from 'node:crypto';
import test from 'ava';
import { bytesOf, Collector, connectedLinks, cryptoModes, hex, nextStream, textBytes, whenState } from './support.ts';

for (const [mode, makeCrypto] of Object.entries(cryptoModes)) {
  test(`B-02 ${mode}: both ends agree on the link, the short string and who is there`, async t => {
    await using links = await connectedLinks({ makeCrypto });
    const { console, applet } = links;
    t.regex(console.shortString, /^\d{6}$/);
    t.is(console.shortString, applet.shortString);
    t.deepEqual(console.id, applet.id);
    t.deepEqual(console.handshakeHash, applet.handshakeHash);
    t.is(console.peer.role, 'applet');
    t.is(applet.peer.sub, 'member-1');
    t.deepEqual(applet.peerCaps, ['zstd']);
  });

  test(`B-03 ${mode}: messages of every size arrive whole and in order, both ways`, async t => {
    await using links = await connectedLinks({ makeCrypto });
    const out = links.console.openStream('files', 4);
    const back = await nextStream(links.applet);
    t.is(back.kind, 'files');
    const [there, here] = [new Collector(back), new Collector(out)];
    const sizes = [1, 63, 64, 16_384, 65_536, 300_000, 1_048_576, 5];
    const sent = sizes.map(size => bytesOf(randomBytes(size)));
    for (const message of sent) out.send(message);
    for (const message of sent) back.send(message);
    await Promise.all([there.until(sizes.length), here.until(sizes.length)]);
    t.deepEqual(there.messages.map(digest), sent.map(digest));
    t.deepEqual(here.messages.map(digest), sent.map(digest));
  });

  test(`F-05 ${mode}: a change of path by choice loses, repeats and reorders nothing`, async t => {
    await using links = await connectedLinks({ makeCrypto });
    const out = links.console.openStream('chat', 2);
    const back = await nextStream(links.applet);
    const [there, here] = [new Collector(back), new Collector(out)];
    const { attach } = await links.attach();
    for (let i = 0; i < 300; i++) {
      out.send(textBytes(`c${i}`));
      back.send(textBytes(`a${i}`));
      if (i === 100) t.true(links.console.choosePath(attach));
      if (i === 200) t.true(links.console.choosePath(0));
      if (i % 10 === 0) await new Promise(setImmediate);
    }
    await Promise.all([there.until(300), here.until(300)]);
    t.deepEqual(
      there.messages.map(text),
      Array.from({ length: 300 }, (_, i) => `c${i}`),
    );
    t.deepEqual(
      here.messages.map(text),
      Array.from({ length: 300 }, (_, i) => `a${i}`),
    );
  });

  test(`J-02 ${mode}: when the path is lost the warm second one goes on with nothing lost`, async t => {
    await using links = await connectedLinks({ makeCrypto });
    const out = links.console.openStream('chat', 2);
    const back = await nextStream(links.applet);
    const [there, here] = [new Collector(back), new Collector(out)];
    await links.attach();
    for (let i = 0; i < 300; i++) {
      out.send(textBytes(`c${i}`));
      back.send(textBytes(`a${i}`));
      if (i === 150) links.pair.cut();
      if (i % 10 === 0) await new Promise(setImmediate);
    }
    await Promise.all([there.until(300), here.until(300)]);
    t.deepEqual(
      there.messages.map(text),
      Array.from({ length: 300 }, (_, i) => `c${i}`),
    );
    t.deepEqual(
      here.messages.map(text),
      Array.from({ length: 300 }, (_, i) => `a${i}`),
    );
  });

  test(`J-02 ${mode}: a link without a path resumes on a new one`, async t => {
    await using links = await connectedLinks({ makeCrypto });
    const out = links.console.openStream('chat', 2);
    const back = await nextStream(links.applet);
    const there = new Collector(back);
    for (let i = 0; i < 50; i++) out.send(textBytes(`c${i}`));
    links.pair.cut();
    await Promise.all([whenState(links.console, 'detached'), whenState(links.applet, 'detached')]);
    for (let i = 50; i < 100; i++) out.send(textBytes(`c${i}`));
    await links.attach();
    await there.until(100);
    t.deepEqual(
      there.messages.map(text),
      Array.from({ length: 100 }, (_, i) => `c${i}`),
    );
    t.is(links.console.state.state, 'open');
  });

  test(`B-03 ${mode}: keys change every few records without a gap`, async t => {
    await using links = await connectedLinks({ makeCrypto, both: { rekeyRecords: 4 } });
    const out = links.console.openStream('chat', 2);
    const there = new Collector(await nextStream(links.applet));
    for (let i = 0; i < 200; i++) {
      out.send(textBytes(`c${i}`));
      await new Promise(setImmediate);
    }
    await there.until(200);
    t.deepEqual(
      there.messages.map(text),
      Array.from({ length: 200 }, (_, i) => `c${i}`),
    );
  });

  test(`B-03 ${mode}: closing tells the peer, ends every stream and refuses what comes after`, async t => {
    await using links = await connectedLinks({ makeCrypto });
    const out = links.console.openStream('chat', 2);
    const ended = new Promise<number>(resolve => out.listen({ message: () => undefined, reset: resolve }));
    links.applet.close();
    t.is(await whenState(links.console, 'closed'), 'link.closed');
    t.is(await ended, 1);
    t.throws(() => links.console.openStream('chat', 2), { code: 'link.closed' });
  });
}

function digest(bytes: Uint8Array): string {
  return hex(createHash('sha256').update(bytes).digest());
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}
