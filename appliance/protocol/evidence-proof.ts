// What recorder and applet have signed of a recording, and that it is of the same bytes. Part of evidence-check.ts.
import { toBase64Url } from '../guid.ts';
import type { EvidenceManifest } from './evidence.ts';
import type { EvidenceCheck } from './evidence-check.ts';
import { attestedPart, type SaidProof, signedIn, signedReceiptsIn } from './recording-proof.ts';
import { ATTESTATION_DOMAIN, parseAttestation, parseRecordingReceipt, RECEIPT_DOMAIN } from './recording-receipt.ts';

/** What of the bundle's manifest it is held against. */
type Known = Pick<EvidenceManifest, 'sid'> & {
  readonly keys: Pick<EvidenceManifest['keys'], 'receipts'>;
  /** Of the session's applet, as the log has them: a new one after each reboot. */
  readonly appletKeys: readonly string[];
};

/** A manifest, read. */
type Said = SaidProof & Readonly<Record<string, unknown>>;

export async function checkProof(check: EvidenceCheck, manifest: Known, said: Said, where: string): Promise<void> {
  await checkReceipts(check, manifest, said, where);
  await checkAttestation(check, manifest, said, where);
  const { is, unattested } = attestedPart(said);
  if (is === 'other') check.problem(where, 'the applet attests another stream than the recorder received');
  if (said.unattested !== unattested)
    check.problem(
      where,
      `its manifest says that ${String(said.unattested)} bytes are not attested; ${unattested} are not`,
    );
  if (is === 'unknown' && said.v === 1)
    check.notes.push(
      `The manifest of ${where} is of a version that keeps the last receipt only: what the applet attested before its end is compared with nothing.`,
    );
  else if (is === 'unknown')
    check.notes.push(`What the applet attested of ${where} can’t be compared, so it counts as not attested.`);
  if (unattested > 0) check.notes.push(`The applet did not attest the last ${unattested} bytes of ${where}.`);
}

async function checkReceipts(check: EvidenceCheck, { sid, keys }: Known, said: Said, where: string) {
  const signed = signedReceiptsIn(said);
  for (const { payload, signature } of signed) {
    if (!(await check.isSigned(RECEIPT_DOMAIN, keys.receipts, payload, signature)))
      check.problem(where, 'a receipt of it is not signed by the appliance');
    const receipt = parseRecordingReceipt(payload);
    const isOfIt = receipt.sid === sid && toBase64Url(receipt.nonce) === said.nonce;
    if (!isOfIt || toBase64Url(receipt.linkId) !== said.linkId)
      check.problem(where, 'a receipt of it is of another session or recording');
    if (receipt.offset > Number(said.offset)) check.problem(where, 'a receipt of it proves more than there is');
  }
  const last = signedIn(said.receipt);
  if (last === null) return void check.notes.push(`Nothing of ${where} was proved by a receipt.`);
  const { offset } = parseRecordingReceipt(last.payload);
  if (offset !== said.offset)
    check.notes.push(`The receipt of ${where} proves its first ${offset} of ${String(said.offset)} bytes.`);
}

async function checkAttestation(check: EvidenceCheck, { sid, appletKeys }: Known, said: Said, where: string) {
  if (said.appletKey !== undefined && !appletKeys.some(key => key === said.appletKey))
    check.problem(where, 'it names another applet');
  const signed = signedIn(said.attestation);
  if (signed === null) return;
  const { payload, signature } = signed;
  // By the one it names, or by one before it: what was finished behind a reboot was attested before it.
  const isSigned = await Promise.all(
    appletKeys.map(key => check.isSigned(ATTESTATION_DOMAIN, key, payload, signature)),
  );
  if (!isSigned.includes(true)) check.problem(where, 'the applet’s attestation does not hold');
  const attested = parseAttestation(payload);
  const isOfIt = attested.sid === sid && toBase64Url(attested.nonce) === said.nonce;
  if (!isOfIt || toBase64Url(attested.linkId) !== said.linkId)
    check.problem(where, 'the applet’s attestation is of another session or recording');
}
