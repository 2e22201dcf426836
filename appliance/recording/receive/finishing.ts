// What makes a written file a finished recording: its manifest, signed by the appliance, and its place under `finished/`.
import { toBase64Url } from '../../guid.ts';
import type { RcrecHead } from '../../protocol/rcrec.ts';
import type { SignedText } from '../../protocol/recorder-portal.ts';
import type { Signed } from '../../protocol/signed.ts';
import type { RecordingPortal } from '../portal-client.ts';
import type { FileFacts, RecordingShare } from '../recording-share.ts';

export interface WrittenFile {
  /** The nonce, base64url. */
  readonly name: string;
  readonly head: RcrecHead;
  readonly durationMs: number;
  /** Bytes of the hashed stream that are in it. */
  readonly offset: number;
  /** Whether the applet has said that nothing follows. */
  readonly isWhole: boolean;
  /** Whether it ended because the technician paused the recording. */
  readonly isPaused: boolean;
  /** Null where nothing was proved. */
  readonly receipt: Signed | null;
  /** A receipt for a place before the last one; null where it can't be proved any more. @throws ApplianceError where the signer is away */
  readonly receiptAt: (offset: number) => Promise<Signed | null>;
}

/** @throws ApplianceError where share or portal are away: to be tried again */
export async function finishFile(
  share: RecordingShare,
  portal: Pick<RecordingPortal, 'finished' | 'attested'>,
  file: WrittenFile,
): Promise<FileFacts> {
  const { name, head, durationMs, offset, isWhole, isPaused, receipt, receiptAt } = file;
  const { sid, linkId, nonce, sub, technician, forced, startedAt, after, pausedMs } = head;
  const finishedName = share.finishedName(name, sid, startedAt);
  const facts = await share.facts(share.writingPath(name));
  const attested = await portal.attested(sid, toBase64Url(nonce));
  const manifest = await portal.finished({
    ...{ sid, linkId: toBase64Url(linkId), nonce: toBase64Url(nonce), sub, technician, forced, startedAt },
    ...{ durationMs, name: finishedName, ...facts, offset, isWhole, isPaused },
    ...{ after: after === null ? null : toBase64Url(after), pausedMs },
    receipt: textOf(receipt),
    attested: attested === null ? null : { offset: attested, receipt: textOf(await receiptAt(attested)) },
  });
  await share.finish(name, finishedName, `${JSON.stringify(manifest)}\n`);
  return facts;
}

function textOf(signed: Signed | null): SignedText | null {
  return signed === null ? null : { payload: toBase64Url(signed.payload), signature: toBase64Url(signed.signature) };
}
