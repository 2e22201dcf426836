// Serves an appliance until it is told to stop. Called by packaging/run, which has made the checkout ready.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, unwatchFile, watchFile } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { type ApplianceConfig, CONFIG_FILE, readConfig, settingsEndpoint } from '../appliance/config.ts';
import { ApplianceError, defect, describeError } from '../appliance/errors.ts';
import { checkPasswordFiles } from '../appliance/pki/password-files.ts';
import { RESTORE_REQUEST } from '../appliance/store/backup-manifest.ts';
import { writeAppletOrder } from './applet/order.ts';
import { ensureTemplate } from './applet/template.ts';
import { openDataFolder, settleConfig } from './data-folder.ts';
import { Demo, type DemoCustomer } from './demo/demo.ts';
import { describeEcosystem } from './ecosystem.ts';
import { anyAddress, askReadiness, checkPort, type Endpoint } from './listening.ts';
import { endAll, markedProcesses } from './marked-processes.ts';
import { RunLock } from './run-lock.ts';
import { Supervisor } from './supervisor.ts';

const root = resolve(import.meta.dirname, '..');
const USAGE = 'usage: packaging/run [--data DIR] [--port N] [--demo]';
const READY_TIMEOUT_MS = 60_000;
const RESTORE_TIMEOUT_MS = 3_600_000; // a store that is restored first takes as long as it is large
const ASK_EVERY_MS = 50;
const CONFIG_WATCH_MS = 2000;
const RESTLESS_EXITS = 3; // a process that ends so often before we are ready won't get better

interface Flags {
  readonly data: string;
  readonly port: number | undefined;
  readonly demo: boolean;
  /** Socket of the helper that runs as root; only the installed service has one. */
  readonly helper: string | undefined;
}

function parseFlags(args: string[]): Flags {
  let values: { data?: string; port?: string; demo?: boolean; helper?: string };
  try {
    const text = { type: 'string' } as const;
    const options = { data: text, port: text, demo: { type: 'boolean' }, helper: text } as const;
    values = parseArgs({ args, options }).values;
  } catch (cause) {
    throw new ApplianceError('malformed', 'run.flags', describeError(cause), { hint: USAGE });
  }
  const { data = join(root, '.data'), port, demo = false, helper } = values;
  if (data === '') throw new ApplianceError('malformed', 'run.flags', '--data needs a folder', { hint: USAGE });
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)) {
    throw new ApplianceError('malformed', 'run.flags', `--port is a number from 1 to 65535, not ${port}`, {
      hint: USAGE,
    });
  }
  return { data, port: port === undefined ? undefined : Number(port), demo, helper };
}

const say = (line: string) => void process.stdout.write(`${line}\n`);

/** Runs one of the appliance's own commands. @returns what it wrote to standard output */
async function runBin(name: string, dataFolder: string): Promise<string> {
  try {
    const args = [join(root, 'appliance', 'bin', `${name}.ts`), '--data', dataFolder];
    return (await promisify(execFile)(process.execPath, args, { cwd: root })).stdout;
  } catch (cause) {
    const said = String((cause as { stderr?: unknown }).stderr ?? '').trim();
    throw new ApplianceError('unavailable', `run.${name}`, `${name} did not finish: ${said || describeError(cause)}`, {
      cause,
    });
  }
}

/** Waits until the gateway says that everything behind it is ready. */
async function untilReady(supervisor: Supervisor, dataFolder: string, endpoint: Endpoint): Promise<void> {
  const patience = existsSync(join(dataFolder, RESTORE_REQUEST)) ? RESTORE_TIMEOUT_MS : READY_TIMEOUT_MS;
  const deadline = performance.now() + patience;
  while ((await askReadiness(endpoint)) !== 200) {
    const restless = supervisor.findRestless(RESTLESS_EXITS);
    if (restless !== undefined) throw notReady(dataFolder, restless, `${restless} keeps ending`);
    if (performance.now() > deadline) {
      throw notReady(dataFolder, 'supervisor', `it did not get ready within ${patience / 1000} s`);
    }
    await new Promise(resume => setTimeout(resume, ASK_EVERY_MS));
  }
}

function notReady(dataFolder: string, name: string, what: string): ApplianceError {
  const file = join(dataFolder, 'log', `${name}.log`);
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').slice(-8) : [];
  return new ApplianceError('unavailable', 'run.not-ready', what, {
    hint: [`Last lines of ${file}:`, ...lines].join('\n  '),
  });
}

function endpointOf(dataFolder: string, config: ApplianceConfig): Endpoint {
  const { address, port } = config.listen;
  return { address, host: canonicalName(config), port, ca: readFileSync(join(dataFolder, 'public', 'ca.crt')) };
}

function portalOf(config: ApplianceConfig): string {
  const { port } = config.listen;
  return `https://${canonicalName(config)}${port === 443 ? '' : `:${port}`}`;
}

/** Where IT sets it up; undefined while that is turned off. */
function settingsOf(config: ApplianceConfig): string | undefined {
  return config.settings.enabled ? `https://${canonicalName(config)}:${settingsEndpoint(config).port}` : undefined;
}

function canonicalName(config: ApplianceConfig): string {
  const [name] = config.names;
  if (name === undefined) throw defect('a configuration without a name was accepted');
  return name;
}

interface Extras {
  readonly accounts?: Readonly<Record<string, unknown>> | undefined;
  readonly customer?: DemoCustomer | undefined;
}

const setupCodeOf = (dataFolder: string) => join(dataFolder, 'keys', 'setup-code');

function describeReady(dataFolder: string, config: ApplianceConfig, extras: Extras): string {
  const codeFile = setupCodeOf(dataFolder);
  const portal = portalOf(config);
  // The code goes into the fragment, which no browser sends and no server logs. It is there until setup is done.
  const setup = existsSync(codeFile) ? `${portal}/setup#${readFileSync(codeFile, 'utf8').trim()}` : undefined;
  const ca = join(dataFolder, 'public', 'ca.crt');
  return `READY ${JSON.stringify({ portal, settings: settingsOf(config), ca, setup, ...extras })}`; // what is undefined is left out
}

/** Resolves with the first signal to stop. */
function untilAskedToStop(): Promise<void> {
  return new Promise(resume => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resume());
  });
}

/** Each port the configuration names is free, or the start ends here with who has it. */
async function checkPorts(config: ApplianceConfig): Promise<void> {
  const { listen, gateways } = config;
  const open = [listen.port, listen.redirectPort, ...gateways.slice(1).map(gateway => gateway.port)];
  for (const port of open) if (typeof port === 'number') await checkPort(listen.address, port);
  if (config.settings.enabled) {
    const { address, port } = settingsEndpoint(config);
    await checkPort(address, port);
  }
  if (listen.metricsPort !== null) await checkPort('127.0.0.1', listen.metricsPort);
}

/** Makes or checks everything that must stand before the first process starts. */
async function prepareData(dataFolder: string, flags: Flags): Promise<ApplianceConfig> {
  const template = readFileSync(join(root, 'config', 'appliance.yaml'), 'utf8');
  const config = settleConfig(dataFolder, template, { port: flags.port, address: await anyAddress() });
  if (markedProcesses(dataFolder).length > 0) {
    say('Ending what an earlier run left behind');
    await endAll(dataFolder, 4000);
  }
  Demo.clear(dataFolder);
  checkPasswordFiles(dataFolder, config);
  await checkPorts(config);
  const made = await runBin('make-keys', dataFolder);
  if (made.trim() !== '') say('Keys and certificates are made');
  return config;
}

/**
 * Orders the applets now, and again when the configuration changes. Not before first setup is done: nobody can be invited, and
 * the organisation's name, which setup asks for, stands in them. Where each process has a user of its own this is root's to
 * do, and not the portal's (TRUST). @returns what ends it
 */
async function orderApplets(dataFolder: string): Promise<() => void> {
  const template = await ensureTemplate(root, say); // packaging/prepare has made it; this finds it
  const code = setupCodeOf(dataFolder);
  const order = () => {
    if (!existsSync(code)) writeAppletOrder(dataFolder, readConfig(dataFolder), template);
  };
  order();
  const watched = [join(dataFolder, CONFIG_FILE), code];
  for (const path of watched) {
    watchFile(path, { interval: CONFIG_WATCH_MS }, () => {
      try {
        order();
      } catch (error) {
        say(`The applets stay as they are: ${describeError(error)}`);
      }
    });
  }
  return () => {
    for (const path of watched) unwatchFile(path);
  };
}

async function serve(flags: Flags): Promise<void> {
  process.umask(0o077);
  const asked = untilAskedToStop();
  const dataFolder = openDataFolder(flags.data);
  const lock = await RunLock.take(dataFolder);
  let supervisor: Supervisor | undefined;
  let demo: Demo | undefined;
  let endOrders: (() => void) | undefined;
  try {
    const config = await prepareData(dataFolder, flags);
    endOrders = await orderApplets(dataFolder);
    const accounts = flags.demo ? JSON.parse(await runBin('demo-accounts', dataFolder)) : undefined;
    if (flags.demo) demo = await Demo.start(dataFolder);
    if (flags.helper === undefined)
      say(
        'Recordings are served on the portal’s pages only; packaging/install, run by root, sets up the network share',
      );
    say(`Starting the processes; logs are in ${join(dataFolder, 'log')}`);
    const pm2Runtime = join(root, 'node_modules', 'pm2', 'bin', 'pm2-runtime');
    const ecosystem = {
      root,
      node: process.execPath,
      dataFolder,
      config,
      demoFile: demo?.file,
      helperSocket: flags.helper,
    };
    supervisor = new Supervisor(dataFolder, process.execPath, pm2Runtime, describeEcosystem(ecosystem));
    const gone = supervisor.ended.then(() => {
      throw notReady(dataFolder, 'supervisor', 'the process manager ended by itself');
    });
    const endpoint = endpointOf(dataFolder, config);
    const ready = untilReady(supervisor, dataFolder, endpoint).then(async () => {
      const customer = await demo?.begin(endpoint, portalOf(config), accounts.technician);
      say(describeReady(dataFolder, config, { accounts, customer }));
    });
    await Promise.race([asked, gone, ready.then(() => asked)]);
    say('Stopping');
  } finally {
    endOrders?.();
    demo?.close();
    await supervisor?.close();
    await lock.close();
  }
}

process.stdout.on('error', () => undefined); // whoever read our lines has gone: the appliance serves on
try {
  await serve(parseFlags(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`packaging/run: ${describeError(error)}\n`);
  if (error instanceof ApplianceError && error.hint !== '') process.stderr.write(`  ${error.hint}\n`);
  process.exitCode = 1;
}
process.exit(); // a readiness question may still be on its way
