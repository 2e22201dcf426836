// A real identity provider of a test's own: Debian's SimpleSAMLphp, run by PHP's own server behind TLS.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { createServer, request, type Server } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from './appliance.ts';
import { TempFolder } from './temp-folder.ts';
import { TestAuthority } from './test-certificates.ts';

const WWW = '/usr/share/simplesamlphp/www';

export interface SamlPerson {
  readonly uid: string;
  readonly password: string;
  readonly mail: string;
  readonly name: string;
  readonly groups?: readonly string[];
}

export class SimpleSamlPhp implements AsyncDisposable {
  readonly folder = new TempFolder();
  /** PEM: who signed its certificate. */
  readonly ca: string;
  /** PEM. */
  readonly certificate: string;
  readonly url: string;
  readonly #server: Server;
  #php: ChildProcess | null = null;

  private constructor(port: number, server: Server, ca: string, certificate: string) {
    this.ca = ca;
    this.url = `https://localhost:${port}`;
    this.#server = server;
    this.certificate = certificate;
  }

  /** @param serviceMetadata the file the appliance gives @param people who can sign in there */
  static async start(serviceMetadata: string, people: readonly SamlPerson[]): Promise<SimpleSamlPhp> {
    const [port, phpPort] = [await freePort(), await freePort()];
    const authority = new TestAuthority('Identity provider CA');
    const pair = authority.issue({ names: ['localhost'] });
    const server = createServer({ cert: pair.certificate, key: pair.key }, (asked, answer) => {
      const { method, url: path, headers } = asked;
      const passed = httpRequest({ host: '127.0.0.1', port: phpPort, method, path, headers, agent: false }, given => {
        answer.writeHead(given.statusCode ?? 502, given.headers);
        given.pipe(answer);
      });
      passed.once('error', () => answer.destroy());
      asked.pipe(passed);
    });
    const started = new SimpleSamlPhp(port, server, authority.certificate, pair.certificate);
    const signing = authority.issue({ names: ['signs.example.com'] });
    started.#write(serviceMetadata, people, { 'idp.crt': signing.certificate, 'idp.key': signing.key });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    await started.#run(phpPort);
    return started;
  }

  /** Its metadata file, fetched as an admin would. */
  async metadata(): Promise<string> {
    const asked = request(`${this.url}/saml2/idp/metadata.php`, { ca: this.ca, agent: false });
    asked.end();
    const [answer] = await once(asked, 'response');
    return Buffer.concat(await answer.toArray()).toString();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    const php = this.#php;
    if (php !== null && php.exitCode === null) {
      const ended = once(php, 'exit');
      php.kill('SIGKILL');
      await ended;
    }
    this.folder[Symbol.dispose]();
  }

  #path(...names: string[]): string {
    return join(this.folder.path, ...names);
  }

  #write(serviceMetadata: string, people: readonly SamlPerson[], keys: Readonly<Record<string, string>>): void {
    for (const name of ['config', 'metadata', 'cert', 'log', 'data', 'tmp', 'sessions']) mkdirSync(this.#path(name));
    for (const [name, text] of Object.entries(keys)) writeFileSync(this.#path('cert', name), text);
    writeFileSync(this.#path('service.xml'), serviceMetadata);
    writeFileSync(this.#path('prepend.php'), `<?php $_SERVER['HTTPS'] = 'on';\n`); // TLS ends before it
    const users = people.map(({ uid, password, mail, name, groups = [] }) => {
      return [`${uid}:${password}`, { uid: [uid], mail: [mail], displayName: [name], groups }] as const;
    });
    const bind = 'urn:oasis:names:tc:SAML:2.0:bindings';
    const hosted = {
      host: '__DEFAULT__',
      privatekey: 'idp.key',
      certificate: 'idp.crt',
      auth: 'example-userpass',
      'validate.authnrequest': true,
      'validate.logout': true,
      'sign.logout': true,
      'saml20.sign.response': true,
      'saml20.sign.assertion': true,
      SingleLogoutServiceBinding: [`${bind}:HTTP-POST`, `${bind}:HTTP-Redirect`],
      NameIDFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
      authproc: {
        1: {
          class: 'saml:AttributeNameID',
          attribute: 'uid',
          Format: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
        },
      },
    };
    this.#writePhp('config/config.php', 'config', this.#config());
    const source = { 0: 'exampleauth:UserPass', ...Object.fromEntries(users) };
    this.#writePhp('config/authsources.php', 'config', { 'example-userpass': source });
    this.#writePhp('metadata/saml20-idp-hosted.php', 'metadata', { '__DYNAMIC:1__': hosted });
  }

  #config() {
    return {
      baseurlpath: `${this.url}/`,
      certdir: `${this.#path('cert')}/`,
      loggingdir: `${this.#path('log')}/`,
      datadir: `${this.#path('data')}/`,
      tempdir: this.#path('tmp'),
      metadatadir: this.#path('metadata'),
      secretsalt: randomBytes(16).toString('hex'),
      'auth.adminpassword': randomBytes(16).toString('hex'),
      technicalcontact_email: 'na@example.org',
      timezone: 'UTC',
      'logging.handler': 'file',
      'enable.saml20-idp': true,
      'module.enable': { exampleauth: true, core: true, saml: true },
      'store.type': 'phpsession',
      'session.phpsession.savepath': this.#path('sessions'),
      'session.cookie.secure': true,
      'session.cookie.samesite': 'None',
      'language.default': 'en',
      'metadata.sources': [
        { type: 'flatfile', directory: this.#path('metadata') },
        { type: 'xml', file: this.#path('service.xml') },
      ],
    };
  }

  /** A PHP file that sets a variable; JSON is what both languages read alike. */
  #writePhp(name: string, variable: string, value: unknown): void {
    const json = Buffer.from(JSON.stringify(value)).toString('base64');
    writeFileSync(this.#path(name), `<?php $${variable} = json_decode(base64_decode('${json}'), true);\n`);
  }

  async #run(port: number): Promise<void> {
    const php = spawn(
      '/usr/bin/php',
      ['-d', `auto_prepend_file=${this.#path('prepend.php')}`, '-S', `127.0.0.1:${port}`, '-t', WWW],
      {
        cwd: this.folder.path,
        env: { PATH: process.env.PATH ?? '', SIMPLESAMLPHP_CONFIG_DIR: this.#path('config') },
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    this.#php = php;
    const told: string[] = [];
    php.stderr.on('data', chunk => {
      if (told.length < 50) told.push(String(chunk));
    });
    const ended = once(php, 'exit').then(() => {
      throw new Error(`php ended: ${told.join('')}`);
    });
    await Promise.race([listening(port), ended]);
    ended.catch(() => undefined); // later it ends because it is told to
  }
}

/** Resolves when a connection is taken there. */
async function listening(port: number): Promise<void> {
  for (let isTaken = false; !isTaken; ) {
    const socket = connect({ port, host: '127.0.0.1' });
    isTaken = await new Promise(resolve => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
  }
}
