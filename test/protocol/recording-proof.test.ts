// What recorder and applet have signed of a recording is held against each other at the very place the applet names.
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import test from 'ava';
import { nodeEvidenceCrypto } from '../../appliance/audit/evidence-crypto.ts';
import { sessionIdFrom, toBase64Url } from '../../appliance/guid.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import { EvidenceCheck } from '../../appliance/protocol/evidence-check.ts';
import { checkProof } from '../../appliance/protocol/evidence-proof.ts';
import { attestedPart } from '../../appliance/protocol/recording-proof.ts';
import {
  ATTESTATION_DOMAIN,
  RECEIPT_DOMAIN,
  receiptObject,
  writeAttestation,
} from '../../appliance/protocol/recording-receipt.ts';

const SID = sessionIdFrom(new Uint8Array(16).fill(7));
const [linkId, nonce] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)];
const STREAM = new Uint8Array(700).map((_, at) => at % 251);
const [recorder, applet] = [newKey(), newKey()];

function newKey() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey, spki: publicKey.export({ type: 'spki', format: 'der' }).toString('base64url') };
}

function signed(domain: string, payload: Uint8Array, key: KeyObject) {
  const message = Buffer.concat([Buffer.from(`${domain}\0`), payload]);
  const signature = sign('sha256', message, { key, dsaEncoding: 'ieee-p1363' });
  return { payload: toBase64Url(Uint8Array.from(payload)), signature: signature.toString('base64url') };
}

const digestOf = (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest());
const placeAt = (offset: number, stream: Uint8Array) => ({
  ...{ sid: SID, linkId, nonce, offset },
  digest: digestOf(stream.subarray(0, offset)),
});

function receiptAt(offset: number, stream = STREAM) {
  const payload = canonicalBytes({ ...receiptObject({ ...placeAt(offset, stream), time: 5 }), kid: 'receipts' });
  return signed(RECEIPT_DOMAIN, payload, recorder.privateKey);
}

function attestationAt(offset: number, stream = STREAM) {
  return signed(ATTESTATION_DOMAIN, writeAttestation({ ...placeAt(offset, stream), at: 5 }), applet.privateKey);
}

type Said = Parameters<typeof checkProof>[2];
const facts = { sid: SID, nonce: toBase64Url(nonce), linkId: toBase64Url(linkId), offset: 700, appletKey: applet.spki };

/** A manifest that was written as it should be. */
function manifestOf(more: Readonly<Record<string, unknown>>): Said {
  const said = { v: 2, ...facts, ...more };
  return { ...said, unattested: attestedPart(said).unattested };
}

async function verdictOf(said: Said) {
  const check = new EvidenceCheck(
    { size: 0, read: async () => new Uint8Array() },
    { crypto: nodeEvidenceCrypto, trusted: '' },
  );
  const evidence = { sid: SID, appletKeys: [applet.spki], keys: { receipts: recorder.spki } };
  await check.attempt('recording 1', () => checkProof(check, evidence, said, 'recording 1'));
  const { problems, notes } = check.verdict();
  return { problems: problems.map(({ what }) => what), notes };
}

const whole = manifestOf({ receipt: receiptAt(700), attestation: attestationAt(700) });
const early = manifestOf({
  ...{ receipt: receiptAt(700), attestedReceipt: receiptAt(500), attestation: attestationAt(500) },
});

test('H-05 what the applet attests is held against the recorder’s receipt for that very place, at the end or before', async t => {
  t.deepEqual(await verdictOf(whole), { problems: [], notes: [] });
  t.is(whole.unattested, 0);
  const { problems, notes } = await verdictOf(early);
  t.deepEqual([early.unattested, problems, notes.length], [200, [], 1]);
  t.regex(notes[0] ?? '', /did not attest the last 200 bytes/);
});

test('H-05 attack: an applet that attests another stream, at its end or before, is found out, and nothing of it counts', async t => {
  const other = STREAM.with(0, 99);
  const receipts = { receipt: receiptAt(700), attestedReceipt: receiptAt(500) };
  for (const offset of [500, 700]) {
    const said = manifestOf({ ...receipts, attestation: attestationAt(offset, other) });
    t.is(said.unattested, 700);
    t.true(
      (await verdictOf(said)).problems.some(what => what.includes('another stream')),
      `${offset}`,
    );
  }
  const elsewhere = manifestOf({ receipt: receiptAt(700), attestation: attestationAt(500, other) });
  t.is(elsewhere.unattested, 700, 'no receipt for that place: nothing is believed');
  t.true((await verdictOf(elsewhere)).notes.some(note => note.includes('can’t be compared')));
});

test('H-05 attack: a manifest that says more is attested than is, signed or not, is found out', async t => {
  for (const said of [
    early,
    manifestOf({ receipt: receiptAt(700) }),
    manifestOf({ attestation: attestationAt(500) }),
  ]) {
    t.deepEqual((await verdictOf(said)).problems, []);
    for (const unattested of [0, 1, Number(said.unattested) + 1])
      t.regex((await verdictOf({ ...said, unattested })).problems.join(), /bytes are not attested/);
  }
  const beyond = manifestOf({ receipt: receiptAt(701, new Uint8Array(701)) });
  t.true((await verdictOf(beyond)).problems.some(what => what.includes('proves more than there is')));
});

test('H-05 a manifest of before can be read, and what it does not prove is said', async t => {
  const old = { v: 1, ...facts, receipt: receiptAt(700), attestation: attestationAt(500), unattested: 200 };
  const { problems, notes } = await verdictOf(old);
  t.deepEqual(problems, []);
  t.true(notes.some(note => note.includes('compared with nothing')));
  t.deepEqual(await verdictOf({ ...whole, v: 1 }), { problems: [], notes: [] }, 'at its end it is compared');
  t.false((await verdictOf({ ...early, v: 1, attestedReceipt: undefined, unattested: 0 })).problems.length === 0);
});

test('H-05 attack: whatever byte of receipts or attestation is flipped, the recording does not hold', async t => {
  for (const part of ['receipt', 'attestedReceipt', 'attestation'] as const)
    for (const field of ['payload', 'signature'] as const) {
      const texts = early[part] as Readonly<Record<typeof field, string>>;
      const bytes = Buffer.from(texts[field], 'base64url');
      for (let at = 0; at < bytes.length; at++) {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
        const said = { ...early, [part]: { ...texts, [field]: changed.toString('base64url') } };
        const { problems } = await verdictOf(said);
        if (problems.length === 0) t.fail(`${part} ${field} ${at}`);
      }
    }
  t.pass();
});
