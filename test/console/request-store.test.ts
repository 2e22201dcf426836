import test from 'ava';
import { RequestStore } from '../../appliance/console/request-store.ts';
import { toBase64Url } from '../../appliance/guid.ts';
import type { ConsentMessage } from '../../appliance/protocol/consent.ts';

const request = new Uint8Array(16).fill(1);
const consent = new Uint8Array(16).fill(2);
const consentId = toBase64Url(consent);
const action = 'launch-remote-control';

const asked: ConsentMessage = { type: 'asked', request, consent };
const yes: ConsentMessage = { type: 'answer', request, consent, answer: 'yes', ttlMs: 60_000 };
const no: ConsentMessage = { type: 'answer', request, consent, answer: 'no', ttlMs: 0 };
const silence: ConsentMessage = { type: 'answer', request, consent, answer: 'silence', ttlMs: 0 };
const started: ConsentMessage = { type: 'started', request, grantNumber: 1 };
const end: ConsentMessage = { type: 'end', request, by: 'customer', reason: 'stopped' };

function after(...messages: readonly ConsentMessage[]): RequestStore {
  const store = new RequestStore();
  store.add(request, action, 1000);
  for (const message of messages) store.take(message, 2000);
  return store;
}

test('D-02 from the question to the end: each step is shown and told to the portal', t => {
  const store = after();
  const stages = [asked, yes, started, end].map(message => store.take(message, 2000)?.stage);
  t.deepEqual(stages, ['asked', 'granted', 'started', 'ended']);
  const [only] = store.all;
  t.like(only, { state: 'ended', endedBy: 'customer', consentId, until: 62_000 });
  t.deepEqual(store.live, []);
});

test('D-06 a no and silence are both told as refused, and shown as what they were', t => {
  for (const [message, state] of [
    [no, 'refused'],
    [silence, 'silence'],
  ] as const) {
    const store = after(asked);
    t.deepEqual(store.take(message, 2000), { consentId, action, stage: 'refused' });
    t.is(store.all[0]?.state, state);
  }
});

test('D-02 a no that needed no question comes without one', t => {
  t.deepEqual(after().take(no, 2000), { consentId, action, stage: 'refused' });
});

test('D-02 with the link all that was allowed is over', t => {
  const store = after(asked, yes, started);
  t.deepEqual(store.linkEnded(), [{ consentId, action, stage: 'ended' }]);
  t.is(store.lastOf(action)?.endedBy, 'link');
  t.deepEqual(store.linkEnded(), []);
});

test('D-02 the technician stops what runs; a stop from the other side at the same time does no harm', t => {
  const store = after(asked, yes, started);
  t.is(store.stop(toBase64Url(request))?.stage, 'ended');
  t.is(store.take(end, 3000), null);
  t.is(store.lastOf(action)?.endedBy, 'technician');
});

for (const [what, before, message] of [
  ['a start without a yes', [asked], started],
  ['a start after a no', [asked, no], started],
  ['a second answer', [asked, no], yes],
  ['a second question', [asked], asked],
  ['a yes after the end', [asked, yes, end], yes],
  ['an answer to another question', [asked], { ...yes, consent: new Uint8Array(16) }],
  ['a question from the customer', [], { type: 'request', request, action, scope: '' }],
  ['an answer nobody asked for', [], { ...yes, request: new Uint8Array(16) }],
] as const satisfies readonly (readonly [string, readonly ConsentMessage[], ConsentMessage])[]) {
  test(`D-04 attack: ${what} is malformed and changes nothing`, t => {
    const store = after(...before);
    const shown = store.all;
    t.throws(() => store.take(message, 3000), { code: 'protocol.malformed' });
    t.deepEqual(store.all, shown);
  });
}
