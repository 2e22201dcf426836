// The two real implementations against each other: the console on WebCrypto, as in a browser, the applet on `node:crypto`.
import { randomBytes } from 'node:crypto';
import test from 'ava';
import { nodeCrypto } from '../../appliance/applet/node-crypto.ts';
import { webCrypto } from '../../appliance/browser/web-crypto.ts';
import type { AeadKey } from '../../appliance/link/crypto.ts';
import { Link } from '../../appliance/link/link.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { bytesOf, Collector, hex, MemoryPair, nextStream, TestIssuer, testSession, textBytes } from './support.ts';

const implementations = { node: nodeCrypto, web: webCrypto };

for (const [consoleOn, appletOn] of [
  ['web', 'node'],
  ['node', 'web'],
  ['web', 'web'],
] as const) {
  test(`B-02 B-03 a console on ${consoleOn} crypto and an applet on ${appletOn} crypto understand each other`, async t => {
    const session = testSession();
    const pair = new MemoryPair();
    const both = { rekeyRecords: 3 };
    const [applet, console] = await Promise.all([
      Link.acceptApplet(session.options('applet', { ...both, crypto: implementations[appletOn] }), pair.applet),
      Link.connectConsole(session.options('console', { ...both, crypto: implementations[consoleOn] }), pair.console),
    ]);
    t.is(console.shortString, applet.shortString);
    t.deepEqual(console.handshakeHash, applet.handshakeHash);
    const out = console.openStream('files', 4);
    const back = await nextStream(applet);
    const [there, here] = [new Collector(back), new Collector(out)];
    const messages = [1, 100, 16_384, 300_000, 1_000_000].map(size => bytesOf(randomBytes(size)));
    const other = new MemoryPair();
    await Promise.all([console.attachPath(other.console), applet.attachPath(other.applet)]);
    for (const message of messages) {
      out.send(message);
      back.send(message);
    }
    setImmediate(() => pair.cut()); // the second path takes over in the middle of it
    await Promise.all([there.until(messages.length), here.until(messages.length)]);
    for (const came of [there.messages, here.messages]) t.deepEqual(came.map(hex), messages.map(hex));
    t.is(console.state.state, 'open');
    console.close();
    applet.close();
  });
}

test('B-02 both implementations agree on every primitive, and refuse alike', async t => {
  const [key, nonce, associated] = [bytesOf(randomBytes(32)), bytesOf(randomBytes(12)), bytesOf(randomBytes(29))];
  const parts = [textBytes('one '), textBytes('and two')];
  const issuer = new TestIssuer();
  const { payload, signature } = issuer.sign({ a: 1 }, 'domain');
  const message = Buffer.concat([Buffer.from('domain\0'), payload]);
  const results = [];
  for (const crypto of Object.values(implementations)) {
    const aead: AeadKey = await crypto.aeadKey(key.slice());
    const sealed = await aead.seal(nonce, associated, parts, 12);
    t.is(hex(await aead.open(nonce, associated, sealed.slice(12))), hex(textBytes('one and two')));
    const bad = Uint8Array.from(sealed.slice(12), (byte, at) => (at === 3 ? byte ^ 1 : byte));
    await t.throwsAsync(async () => aead.open(nonce, associated, bad));
    await t.throwsAsync(async () => aead.open(nonce, associated.slice(1), sealed.slice(12)));
    await t.throwsAsync(async () => aead.open(nonce, associated, sealed.slice(12, 20)));
    aead.erase();
    await t.throwsAsync(async () => aead.seal(nonce, associated, parts, 0));
    t.true(await crypto.verifyEs256(issuer.pinned.publicKey, bytesOf(message), signature));
    t.false(await crypto.verifyEs256(issuer.pinned.publicKey, bytesOf(message), signature.slice().reverse()));
    results.push({
      sealed: hex(sealed),
      hash: hex(await crypto.sha256(bytesOf(message))),
      mac: hex(await crypto.hmacSha256(key, bytesOf(message))),
      macOfNoKey: hex(await crypto.hmacSha256(new Uint8Array(0), bytesOf(message))),
    });
  }
  t.deepEqual(results[0], results[1]);
  const [one, two] = [await nodeCrypto.generateKeyPair(), await webCrypto.generateKeyPair()];
  const shared: Bytes[] = [await one.agree(two.publicKey), await two.agree(one.publicKey)];
  t.is(hex(shared[0] ?? key), hex(shared[1] ?? nonce));
  for (const pair of [one, two]) {
    await t.throwsAsync(async () => pair.agree(new Uint8Array(32))); // a point of low order
    pair.erase();
    await t.throwsAsync(async () => pair.agree(one.publicKey));
  }
});
