import test from 'ava';
import fc from 'fast-check';
import { findLinks, safeAddress } from '../../appliance/console/link-text.ts';

const linksIn = (text: string) => findLinks(text).flatMap(part => (part.kind === 'link' ? [part.href] : []));

test('E-03 addresses of the web become links, with the marks of the sentence left out', t => {
  t.deepEqual(linksIn('See https://example.com/a?b=c, then http://example.org.'), [
    'https://example.com/a?b=c',
    'http://example.org/',
  ]);
  t.deepEqual(linksIn('(https://example.com/wiki/Link_(film))'), ['https://example.com/wiki/Link_(film)']);
  t.deepEqual(linksIn('(see https://example.com/a)'), ['https://example.com/a']);
  t.deepEqual(linksIn('HTTPS://EXAMPLE.COM/Path!'), ['https://example.com/Path']);
});

for (const attack of [
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)//https',
  'data:text/html,<script>alert(1)</script>',
  'file:///etc/passwd',
  'vbscript:x',
  'https://bank.example@evil.example/',
  'https://user:word@evil.example/',
  'https://',
  'http://[::1',
  `https://example.com/${'a'.repeat(3000)}`,
]) {
  test(`E-03 attack: ${attack.slice(0, 40)} never becomes a link`, t => {
    t.deepEqual(linksIn(attack), []);
    t.is(safeAddress(attack), null);
  });
}

test('E-03 attack: markup and control characters end an address', t => {
  t.deepEqual(linksIn('https://example.com/"onmouseover=alert(1)'), ['https://example.com/']);
  t.deepEqual(linksIn('https://example.com/<b>'), ['https://example.com/']);
  t.deepEqual(linksIn('https://example.com/\u202Egnp.exe'), ['https://example.com/']);
});

test('E-03 the parts are the whole text, and each link opens http or https only', t => {
  const word = fc.oneof(fc.string(), fc.webUrl(), fc.constantFrom('javascript:', 'https://', ' ', '(', ')', '.'));
  fc.assert(
    fc.property(fc.array(word, { maxLength: 12 }), words => {
      const text = words.join('');
      const parts = findLinks(text);
      t.is(parts.map(part => part.text).join(''), text);
      for (const part of parts) if (part.kind === 'link') t.regex(part.href, /^https?:\/\//);
    }),
  );
});
