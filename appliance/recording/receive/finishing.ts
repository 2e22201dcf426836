// What makes a written file a finished recording: its manifest, signed by the appliance, and its place under `finished/`.
import { toBase64Url } from '../../guid.ts';
import type { RcrecHead } from '../../protocol/rcrec.ts';
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
}

/** @throws ApplianceError where share or portal are away: to be tried again */
export async function finishFile(
  share: RecordingShare,
  portal: Pick<RecordingPortal, 'finished'>,
  file: WrittenFile,
): Promise<FileFacts> {
  const { name, head, durationMs, offset, isWhole, isPaused, receipt } = file;
  const { sid, linkId, nonce, sub, technician, forced, startedAt, after, pausedMs } = head;
  const finishedName = share.finishedName(name, sid, startedAt);
  const facts = await share.facts(share.writingPath(name));
  const manifest = await portal.finished({
    ...{ sid, linkId: toBase64Url(linkId), nonce: toBase64Url(nonce), sub, technician, forced, startedAt },
    ...{ durationMs, name: finishedName, ...facts, offset, isWhole, isPaused },
    ...{ after: after === null ? null : toBase64Url(after), pausedMs },
    receipt:
      receipt === null ? null : { payload: toBase64Url(receipt.payload), signature: toBase64Url(receipt.signature) },
  });
  await share.finish(name, finishedName, `${JSON.stringify(manifest)}\n`);
  return facts;
}
