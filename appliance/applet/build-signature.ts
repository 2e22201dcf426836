// Signing a built applet. Windows: Authenticode by osslsigncode, with room for the tag in an unauthenticated attribute.
// Linux has no signature inside the program, so a detached CMS (RFC 5652) covers everything but the tag behind its end.
import { execFile } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { promisify } from 'node:util';
import { ApplianceError, describeError } from '../errors.ts';
import { writeTagBlob } from '../protocol/tag.ts';
import { findTagPlace, type TagPlace } from './tag-place.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 120_000;

/** Paths: the tools read the key themselves, it never passes through a command line. */
export interface CodeSigning {
  /** PKCS#8 PEM, 0600. */
  readonly keyPath: string;
  /** PEM, RSA. */
  readonly certificatePath: string;
  /** PEM of what is between it and the root, or of the appliance's CA; undefined when it signs itself. */
  readonly chainPath?: string;
}

/** Signs in place. @returns where the tag of each download goes */
export async function signWindows(
  path: string,
  signing: CodeSigning,
  title: string,
  signal?: AbortSignal,
): Promise<TagPlace> {
  const signed = `${path}.signed`;
  const chain = signing.chainPath === undefined ? [] : ['-ac', signing.chainPath];
  const options = ['-h', 'sha256', '-certs', signing.certificatePath, '-key', signing.keyPath, ...chain, '-n', title];
  await sign('osslsigncode', ['sign', ...options, '-addUnauthenticatedBlob', '-in', path, '-out', signed], signal);
  const place = emptyBlob(signed);
  await rename(signed, path);
  return place;
}

/** Writes the signature beside the program: DER, detached, with the certificates in it. */
export async function signLinux(
  path: string,
  signing: CodeSigning,
  signaturePath: string,
  signal?: AbortSignal,
): Promise<void> {
  const chain = signing.chainPath === undefined ? [] : ['-certfile', signing.chainPath];
  const options = ['-binary', '-outform', 'DER', '-md', 'sha256', '-nosmimecap', '-signer', signing.certificatePath];
  const files = ['-inkey', signing.keyPath, ...chain, '-in', path, '-out', signaturePath];
  await sign('openssl', ['cms', '-sign', ...options, ...files], signal);
}

/** What osslsigncode reserves is full of its own text; ours is the magic and zeroes. */
function emptyBlob(path: string): TagPlace {
  const file = openSync(path, 'r+');
  try {
    const place = findTagPlace('win-x64', fstatSync(file).size, (offset, length) => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
    });
    if (place === undefined) throw notSigned('osslsigncode left no room for the tag');
    writeSync(file, writeTagBlob(), 0, place.size, place.offset);
    return place;
  } finally {
    closeSync(file);
  }
}

async function sign(tool: string, args: string[], signal: AbortSignal | undefined): Promise<void> {
  try {
    await run(tool, args, { timeout: TIMEOUT_MS, env: { PATH: '/usr/bin:/bin' }, ...(signal && { signal }) });
  } catch (cause) {
    throw notSigned(`${tool} failed: ${describeError(cause).slice(0, 300)}`, cause);
  }
}

function notSigned(message: string, cause?: unknown): ApplianceError {
  const hint = 'Is osslsigncode 2.5 or newer installed, and does the code-signing certificate belong to its key?';
  return new ApplianceError('unavailable', 'applet.not-signed', message, { hint, cause });
}
