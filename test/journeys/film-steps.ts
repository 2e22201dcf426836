// The film of a session where auditors find it: as an AVI that a standard tool opens, and as the very file, over SMB.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { cookieOf, own, post, signInAs } from '../portal/ask-as.ts';
import type { TestShare } from '../recording/test-share.ts';
import type { Appliance } from '../support/appliance.ts';

const AVI_RATE = 5;
/** A client that can't encrypt. */
const NO_CIPHER = '-AES-128-GCM -AES-128-CCM -AES-256-GCM -AES-256-CCM';

function manifestAt(path: string): Record<string, unknown> {
  const { payload } = JSON.parse(readFileSync(path, 'utf8'));
  return JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
}

/**
 * The recorder has made an AVI beside the film; every picture of it is read, and there are as many as the film is long.
 * @param path of the film, without its ending
 */
export async function opensAsAvi(t: ExecutionContext, { processes }: Appliance, path: string): Promise<void> {
  await processes.recorder.told('recording.avi-made');
  const film = manifestAt(`${path}.manifest.json`);
  const avi = manifestAt(`${path}.avi.manifest.json`);
  const frames = Math.ceil((Number(film.durationMs) * AVI_RATE) / 1000) + 1; // the first and the last moment, too
  t.like(avi, { type: 'recording-avi', sid: film.sid, rcrecSha256: film.sha256, frames, width: 1920, height: 1080 });
  const wanted = ['-show_entries', 'stream=codec_name,width,height,r_frame_rate,nb_read_frames', '-of', 'json'];
  const args = ['-v', 'error', '-count_frames', '-select_streams', 'v', ...wanted, `${path}.avi`];
  const { stdout, stderr } = await promisify(execFile)('ffprobe', args);
  t.is(stderr, '', 'nothing in it is wrong');
  const { streams } = JSON.parse(stdout);
  const shape = { codec_name: 'h264', width: 1920, height: 1080, r_frame_rate: '5/1' };
  t.deepEqual(streams, [{ ...shape, nb_read_frames: `${frames}` }]);
}

/** An auditor makes himself a share password and takes the very files with it; he changes nothing, and nobody else reads. */
export async function fetchesFromShare(
  t: ExecutionContext,
  appliance: Appliance,
  share: TestShare,
  name: string,
): Promise<void> {
  const auditor = appliance.accounts?.auditor;
  const proof = { next: 'share', password: auditor?.password ?? '', code: '' };
  const left = await signInAs(appliance, auditor);
  const cookie = cookieOf(await post(appliance, '/account/confirm', proof, { ...own(appliance), cookie: left }));
  const shown = (await post(appliance, '/account/share', {}, { ...own(appliance), cookie })).text();
  const password = /id="share-password"[^>]*>([^<]+)</.exec(shown)?.[1] ?? '';
  const account = /aud-[a-z0-9]+-[0-9a-f]{8}/.exec(shown)?.[0] ?? '';
  share.names.push(account);
  const say = (commands: string, options = {}, as = account, secret = password) =>
    share.client(as, commands, options, secret);
  const manifests = { '.rcrec': '.manifest.json', '.avi': '.avi.manifest.json' };
  for (const [ending, manifest] of Object.entries(manifests)) {
    const [film, signed] = [share.path(`fetched${ending}`), share.path(`fetched${manifest}`)];
    await say(`get ${name}${ending} ${film}; get ${name}${manifest} ${signed}`);
    const sha256 = createHash('sha256').update(readFileSync(film)).digest('base64url');
    t.is(sha256, String(manifestAt(signed).sha256), `${ending}: byte for byte what was signed`);
  }
  for (const attempt of [`put /etc/hostname ${name}.rcrec`, `del ${name}.rcrec`, `rename ${name}.rcrec x`, 'mkdir y'])
    t.regex(await say(attempt), /NT_STATUS_(ACCESS_DENIED|MEDIA_WRITE)/, attempt);
  const others = {
    'nobody at all': say('ls', {}, '%'),
    'a member without an account': say('ls', {}, appliance.accounts?.auditor.loginId ?? ''),
    'a wrong password': say('ls', {}, account, `${password.slice(0, -1)}!`),
    'SMB 2.1': say('ls', { 'client max protocol': 'SMB2_10' }),
    'not encrypted': say('ls', { 'client smb3 encryption algorithms': NO_CIPHER }),
  };
  for (const [who, said] of Object.entries(others)) t.regex(await said, /^refused: /, who);
}
