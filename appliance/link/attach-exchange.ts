// ATTACH: both ends show on a new path that they hold the link's keys. Layouts are in `protocol/attach.ts`. Whatever
// is wrong with it ends that path and nothing else.
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import {
  ATTACH_NONCE_BYTES,
  type AttachTranscript,
  attachTranscript,
  parseAttachBegin,
  parseAttachConfirm,
  parseAttachProve,
  writeAttachBegin,
  writeAttachConfirm,
  writeAttachProve,
} from '../protocol/attach.ts';
import { type Bytes, equalBytes, malformed } from '../protocol/bytes.ts';
import { DIRECTION, plainRecord, RECORD } from '../protocol/record.ts';
import type { LinkCrypto } from './crypto.ts';
import { startDeadline } from './deadline.ts';
import type { PathPort } from './path-port.ts';

export interface AttachOptions {
  readonly crypto: LinkCrypto;
  readonly clock: Clock;
  /** 16 bytes. */
  readonly sid: Bytes;
  readonly linkId: Bytes;
  /** K_res. */
  readonly resume: Bytes;
  /** As they are now: the generation of the present path, and the next record this side waits for. */
  readonly generation: () => number;
  readonly next: () => number;
}

/**
 * What each side waits for stands in the messages and under the MACs, but nothing is pruned by it: the SWITCH that follows
 * says it again, and a number of one path must not overtake the agreement being made on another.
 * @param attach a number never used before
 * @returns it
 */
export function attachFromConsole(options: AttachOptions, port: PathPort, attach: number): Promise<number> {
  return bounded(options, port, async () => {
    const { crypto, linkId } = options;
    const nonce = crypto.randomBytes(ATTACH_NONCE_BYTES);
    const begin = { linkId, attach, generation: options.generation(), next: options.next(), nonce };
    port.send(plainRecord(RECORD.attachBegin, writeAttachBegin(begin)));

    const proof = parseAttachProve(await port.readPlain(RECORD.attachProve));
    if (proof.attach !== attach) throw malformed('an answer to another ATTACH');
    const transcript = transcriptOf(options, port, begin, proof.next, proof.nonce);
    if (!equalBytes(proof.mac, await mac(options, DIRECTION.appletToConsole, transcript))) throw wrongMac();

    const confirm = { attach, mac: await mac(options, DIRECTION.consoleToApplet, transcript) };
    port.send(plainRecord(RECORD.attachConfirm, writeAttachConfirm(confirm)));
    return attach;
  });
}

/** @param seen numbers of attachments that were made; the new one is added when its console has proved itself */
export async function attachToApplet(options: AttachOptions, port: PathPort, seen: Set<number>): Promise<number> {
  const first = await port.readPlain(RECORD.attachBegin).catch(cause => Promise.reject(attachRefused(port, cause)));
  return bounded(options, port, async () => {
    const begin = parseAttachBegin(first);
    const { linkId, attach } = begin;
    if (!equalBytes(linkId, options.linkId)) throw malformed('an ATTACH for another link');
    if (seen.has(attach)) throw malformed('an ATTACH seen before');
    const [next, nonce] = [options.next(), options.crypto.randomBytes(ATTACH_NONCE_BYTES)];
    const transcript = transcriptOf(options, port, begin, next, nonce);
    const proof = { attach, next, nonce, mac: await mac(options, DIRECTION.appletToConsole, transcript) };
    port.send(plainRecord(RECORD.attachProve, writeAttachProve(proof)));

    const confirm = parseAttachConfirm(await port.readPlain(RECORD.attachConfirm));
    const expected = await mac(options, DIRECTION.consoleToApplet, transcript);
    // Here the path becomes trusted. Looked at again: another path may have used the number in the meantime.
    if (confirm.attach !== attach || !equalBytes(confirm.mac, expected)) throw wrongMac();
    if (seen.has(attach)) throw malformed('an ATTACH seen before');
    seen.add(attach);
    return attach;
  });
}

function transcriptOf(
  { sid }: AttachOptions,
  { kind }: PathPort,
  begin: AttachTranscript['begin'],
  appletNext: number,
  appletNonce: Bytes,
): AttachTranscript {
  return { sid, kind, begin, appletNext, appletNonce };
}

async function mac({ crypto, resume }: AttachOptions, author: 1 | 2, transcript: AttachTranscript): Promise<Bytes> {
  return crypto.hmacSha256(resume, attachTranscript(author, transcript));
}

async function bounded({ clock }: AttachOptions, port: PathPort, exchange: () => Promise<number>): Promise<number> {
  const deadline = startDeadline(clock);
  try {
    const attached = await Promise.race([exchange(), deadline.passed]);
    if (port.closed) throw malformed('the path ended');
    return attached;
  } catch (cause) {
    throw attachRefused(port, cause);
  } finally {
    deadline.cancel();
  }
}

function wrongMac(): ApplianceError {
  return malformed('a wrong MAC');
}

function attachRefused(port: PathPort, cause: unknown): ApplianceError {
  port.close();
  return new ApplianceError('refused', 'link.attach-refused', 'the path was not attached', { cause });
}
