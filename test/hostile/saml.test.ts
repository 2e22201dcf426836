// Attacks on single sign-on, with real signatures: each is refused, told in the log, and nobody is signed in or made a member.
import { randomBytes } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import test from 'ava';
import { MAX_XML_BYTES } from '../../appliance/identity/saml-xml.ts';
import { openTestSso, type TestSso } from '../identity/open-single-sign-on.ts';
import { refusal } from '../support/refusal.ts';
import { TestIdp, toField, type Wish } from '../support/saml-idp.ts';

let at: TestSso;
test.before(async () => {
  at = await openTestSso();
});
test.after.always(() => at?.close());

const MINUTE_MS = 60_000;
const OTHER = 'https://other.example.com/saml';
const EVIL = '<a:Assertion ID="_evil" Version="2.0"><a:Issuer>x</a:Issuer></a:Assertion>';
const stranger = new TestIdp('evil.example.com');
const namespaces = 'xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol"';

/** The signed assertion, out of a response, and the response around it. */
function split(xml: string): { before: string; assertion: string; after: string } {
  const found = /<a:Assertion .*<\/a:Assertion>/s.exec(xml);
  const assertion = found?.[0] ?? '';
  const [before = '', after = ''] = xml.split(assertion);
  return { before, assertion: assertion.replace('<a:Assertion ', `<a:Assertion ${namespaces} `), after };
}

/** The same without its signature, saying that it is somebody else. */
function forged(assertion: string): string {
  return assertion
    .replace(/<Signature .*<\/Signature>/s, '')
    .replace(/ID="[^"]*"/, 'ID="_forged"')
    .replaceAll('ann', 'root');
}

const signatureOf = (assertion: string) => /<Signature .*<\/Signature>/s.exec(assertion)?.[0] ?? '';

interface Attack {
  readonly name: string;
  readonly code: string;
  readonly wish?: Partial<Wish>;
  /** Changes what was signed. */
  readonly tamper?: (xml: string) => string;
  readonly by?: TestIdp;
}

const around = (make: (parts: ReturnType<typeof split>) => string) => (xml: string) => make(split(xml));
const attacks: readonly Attack[] = [
  {
    name: 'wrapping: the signed assertion hides in an extension, a forged one stands in its place',
    code: 'saml.two-assertions',
    tamper: around(
      ({ before, assertion, after }) =>
        `${before}${forged(assertion)}<p:Extensions>${assertion}</p:Extensions>${after}`,
    ),
  },
  {
    name: 'wrapping: the signed assertion stands inside the forged one',
    code: 'saml.two-assertions',
    tamper: around(
      ({ before, assertion, after }) =>
        `${before}${forged(assertion).replace('</a:Assertion>', `<a:Advice>${assertion}</a:Advice></a:Assertion>`)}${after}`,
    ),
  },
  {
    name: 'wrapping: the forged assertion carries the signature, with the signed one in its Object',
    code: 'saml.two-assertions',
    tamper: around(({ before, assertion, after }) => {
      const original = assertion.replace(/<Signature .*<\/Signature>/s, '');
      const signature = signatureOf(assertion).replace('</Signature>', `<Object>${original}</Object></Signature>`);
      return `${before}${forged(assertion).replace('</a:Issuer>', `</a:Issuer>${signature}`)}${after}`;
    }),
  },
  {
    name: 'wrapping: the signed assertion under another name of element, a forged one in its place',
    code: 'saml.wrapped',
    tamper: around(({ before, assertion, after }) => {
      const moved = assertion.replace('<a:Assertion ', '<a:Advice ').replace('</a:Assertion>', '</a:Advice>');
      return `${before}${forged(assertion)}${moved}${after}`;
    }),
  },
  {
    name: 'wrapping: the whole signed response stands inside a forged one',
    code: 'saml.wrapped',
    wish: { sign: ['Response'] },
    tamper: xml => {
      const { before, assertion, after } = split(xml);
      const outer = before.replace(/<Signature .*<\/Signature>/s, '').replace(/ID="[^"]*"/, 'ID="_outer"');
      return `${outer}${forged(assertion)}<p:Extensions>${xml}</p:Extensions>${after}`;
    },
  },
  {
    name: 'wrapping: two elements have the id that is signed',
    code: 'saml.wrapped',
    tamper: xml => xml.replace(/(<p:Response [^>]*ID=")[^"]*/, `$1${/<a:Assertion ID="([^"]*)/.exec(xml)?.[1]}`),
  },
  {
    name: 'wrapping: an assertion of no namespace beside the signed one',
    code: 'saml.two-assertions',
    tamper: xml => xml.replace('</p:Response>', '<Assertion/></p:Response>'),
  },
  {
    name: 'a signature is moved to another assertion',
    code: 'saml.wrapped',
    tamper: around(
      ({ before, assertion, after }) =>
        `${before}${forged(assertion).replace('</a:Issuer>', `</a:Issuer>${signatureOf(assertion)}`)}${after}`,
    ),
  },
  { name: 'what was signed is changed', code: 'saml.signature', tamper: xml => xml.replace('ann-4711', 'root-0001') },
  {
    name: 'a comment in the name id',
    code: 'saml.malformed',
    tamper: xml => xml.replace('ann-4711', 'ann-4711<!---->.evil'),
  },
  {
    name: 'a processing instruction in the name id',
    code: 'saml.malformed',
    tamper: xml => xml.replace('ann-4711', 'ann-4711<?x?>'),
  },
  { name: 'CDATA in the name id', code: 'saml.malformed', tamper: xml => xml.replace('ann-4711', '<![CDATA[root]]>') },
  {
    name: 'DOCTYPE with an entity',
    code: 'saml.malformed',
    tamper: xml => `<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]>${xml.replace('ann-4711', '&e;')}`,
  },
  { name: 'an entity nobody declared', code: 'saml.malformed', tamper: xml => xml.replace('ann-4711', '&e;') },
  { name: 're-target: another Destination', code: 'saml.destination', wish: { destination: OTHER } },
  { name: 're-target: another Recipient', code: 'saml.destination', wish: { recipient: OTHER } },
  {
    name: 're-target: another Recipient under our Destination',
    code: 'saml.destination',
    wish: { draft: xml => xml.replace(/Recipient="[^"]*"/, `Recipient="${OTHER}"`) },
  },
  { name: 're-target: another Audience', code: 'saml.audience', wish: { audience: OTHER } },
  {
    name: 're-target: no Audience',
    code: 'saml.audience',
    wish: { draft: xml => xml.replace(/<a:AudienceRestriction>.*<\/a:AudienceRestriction>/s, '') },
  },
  { name: 'SHA-1', code: 'saml.algorithm', wish: { algorithm: 'sha1' } },
  { name: 'unsigned', code: 'saml.unsigned', wish: { sign: [] } },
  { name: 'signed by a key of somebody else', code: 'saml.signature', by: stranger, wish: { issuer: 'OURS' } },
  { name: 'another issuer', code: 'saml.issuer', by: stranger },
  {
    name: 'another issuer inside the signed response',
    code: 'saml.issuer',
    wish: {
      sign: ['Response'],
      draft: xml => xml.replace(/(<a:Assertion [^>]*><a:Issuer>)[^<]*/, '$1https://evil.example.com/metadata'),
    },
  },
  { name: 'an answer to another request', code: 'saml.not-asked', wish: { inResponseTo: '_another' } },
  { name: 'an answer to no request in the place of one', code: 'saml.not-asked', wish: { inResponseTo: null } },
  {
    name: 'the confirmation answers another request than the response',
    code: 'saml.not-asked',
    wish: { draft: xml => xml.replace(/(<a:SubjectConfirmationData [^>]*InResponseTo=")[^"]*/, '$1_another') },
  },
  {
    name: 'two assertions',
    code: 'saml.two-assertions',
    tamper: xml => xml.replace('<a:Assertion ', `${EVIL}<a:Assertion `),
  },
  {
    name: 'encrypted: told plainly',
    code: 'saml.encrypted',
    tamper: xml => xml.replace('</p:Response>', '<a:EncryptedAssertion/></p:Response>'),
  },
  {
    name: 'the provider says no',
    code: 'saml.refused-there',
    wish: { draft: xml => xml.replace('status:Success', 'status:AuthnFailed') },
  },
  {
    name: 'a transient name id as SSO id',
    code: 'saml.subject',
    wish: { nameIdFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient' },
  },
  {
    name: 'a condition nobody knows',
    code: 'saml.malformed',
    wish: { draft: xml => xml.replace('</a:Conditions>', '<a:Condition/></a:Conditions>') },
  },
  {
    name: 'an id of an account that is here',
    code: 'saml.conflict',
    wish: { attributes: { mail: 'root', name: 'x' } },
  },
  {
    name: 'markup as its login id',
    code: 'member.login-id-malformed',
    wish: { attributes: { mail: '&lt;b&gt;', name: 'x' } },
  },
  {
    name: 'deeper than any answer is',
    code: 'saml.malformed',
    tamper: xml => xml.replace('</p:Response>', `${'<x>'.repeat(60)}${'</x>'.repeat(60)}</p:Response>`),
  },
  {
    name: 'more elements than any answer has',
    code: 'saml.malformed',
    tamper: xml => xml.replace('</p:Response>', `${'<x/>'.repeat(6000)}</p:Response>`),
  },
];

for (const { name, code, wish, tamper = (xml: string) => xml, by } of attacks) {
  test.serial(`C-04 attack: ${name}`, async t => {
    const { id, relayState } = await at.begin();
    const given = { ...at.wish(id), ...wish, ...(wish?.issuer === 'OURS' && { issuer: at.provider.entityId }) };
    await refusedAs(t, code, tamper((by ?? at.provider).response(given)), relayState);
  });
}

const minutes: readonly [string, string, number][] = [
  ['expired', 'saml.expired', -7],
  ['not yet valid', 'saml.not-yet', 3],
];
for (const [name, code, shift] of minutes) {
  test.serial(`C-04 attack: ${name}, by more than the clocks may differ`, async t => {
    const { id, relayState } = await at.begin();
    const xml = at.provider.response({ ...at.wish(id), at: at.clock.now() + shift * MINUTE_MS });
    await refusedAs(t, code, xml, relayState);
  });
}

test.serial('C-04 attack: replay, with and without its request', async t => {
  const one = await openTestSso({ mayStart: true });
  t.teardown(() => one.close());
  const xml = one.provider.response(one.wish(null));
  t.is((await one.bring(xml)).issued.login.stage, 'full');
  t.is(await refusal(one.bring(xml)), 'saml.replay');
  const { id, relayState } = await one.begin();
  const answer = one.provider.response(one.wish(id));
  await one.bring(answer, { relayState });
  t.is(await refusal(one.bring(answer, { relayState })), 'saml.not-asked'); // it answers a request that is over
  one.clock.advance(30 * MINUTE_MS); // what was taken is forgotten when it is too old anyway
  t.is(await refusal(one.bring(xml)), 'saml.expired');
});

test.serial('C-04 attack: another browser brings the answer; the one that asked still can', async t => {
  const { id, relayState } = await at.begin();
  const xml = at.provider.response({
    ...at.wish(id),
    nameId: 'ben',
    attributes: { mail: 'ben@example.com', name: 'Ben' },
  });
  await refusedAs(t, 'saml.other-browser', xml, relayState, 'c'.repeat(43));
  await refusedAs(t, 'saml.not-asked', xml, 'x'.repeat(22));
  t.is((await at.bring(xml, { relayState })).issued.login.stage, 'full');
});

test.serial('C-04 attack: the provider sends somebody who did not ask', t =>
  refusedAs(t, 'saml.not-asked', at.provider.response(at.wish(null)), ''),
);

test.serial('C-04 attack: a deflate bomb is no XML and never inflated; nor is what is too large read', async t => {
  const bomb = deflateRawSync(Buffer.alloc(64 * 2 ** 20, 'a'));
  const large = Buffer.from(at.provider.response(at.wish(null)).padEnd(MAX_XML_BYTES + 1, ' '));
  const fields = [
    bomb.toString('base64'),
    large.toString('base64'),
    randomBytes(64).toString('base64'),
    '',
    '%',
    'AAA',
  ];
  for (const message of fields) {
    t.is(await refusal(at.bring('', { message })), 'saml.malformed');
  }
});

test.serial(
  'C-04 attack: a logout that is unsigned, by SHA-1, re-targeted, old or brought twice ends nothing',
  async t => {
    const { login } = (await at.enter({ nameId: 'dora', attributes: { mail: 'dora@example.com', name: 'Dora' } }))
      .issued;
    const { logoutUrl } = at.identity.singleSignOn.service;
    const now = at.clock.now();
    const tries: readonly [string, string][] = [
      ['saml.unsigned', at.provider.logout('dora', logoutUrl, now, false)],
      ['saml.algorithm', at.provider.logout('dora', logoutUrl, now, true, 'sha1')],
      ['saml.destination', at.provider.logout('dora', OTHER, now)],
      ['saml.expired', at.provider.logout('dora', logoutUrl, now - 20 * MINUTE_MS)],
      ['saml.signature', at.provider.logout('ann', logoutUrl, now).replace('>ann<', '>dora<')],
      ['saml.issuer', stranger.logout('dora', logoutUrl, now)],
    ];
    for (const [code, xml] of tries) t.is(await refusal(takeLogout(xml)), code);
    t.is((await at.identity.logins.list(login.memberId)).length, 1);
    const right = at.provider.logout('dora', logoutUrl, now);
    t.is(await refusal(takeLogout(right)), 'accepted');
    t.is((await at.identity.logins.list(login.memberId)).length, 0);
    t.is(await refusal(takeLogout(right)), 'saml.replay');
  },
);

function takeLogout(xml: string): Promise<unknown> {
  const from = { relayState: '', browser: '', source: '192.0.2.77', userAgent: '', reference: 'r' };
  return at.identity.singleSignOn.takeLogout({ message: toField(xml), ...from });
}

/** Nobody is in who was not, and an admin can read why. */
async function refusedAs(
  t: { is: (a: unknown, b: unknown) => void },
  code: string,
  xml: string,
  relayState: string,
  browser?: string,
): Promise<void> {
  const [members, logins] = [await at.identity.members.count(), (await at.events('login.succeeded')).length];
  t.is(await refusal(at.bring(xml, { relayState, ...(browser && { browser }) })), code);
  const told = (await at.entries()).at(-1);
  t.is(told?.event, 'saml.refused');
  t.is(told?.detail.code, code);
  t.is(told?.detail.reference, 'reference-1');
  t.is(await at.identity.members.count(), members);
  t.is((await at.events('login.succeeded')).length, logins);
}
