// A customer without a window: the applet's own session on Node, over real connections to a real appliance.
import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppletConfiguration } from '../../appliance/applet/configuration.ts';
import { findGateway } from '../../appliance/applet/gateways.ts';
import { startNodeSession } from '../../appliance/applet/node-session.ts';
import type { AppletSession } from '../../appliance/applet/session-port.ts';
import { systemClock } from '../../appliance/clock.ts';
import type { Desktop } from '../../appliance/customer-core/desktop.ts';
import { WindowModel } from '../../appliance/customer-core/window-model.ts';
import { publicKeyInfo } from '../../appliance/pki/signature.ts';
import type { WindowChatLine, WindowState } from '../../appliance/protocol/customer-window.ts';
import type { Appliance } from './appliance.ts';
import { TempFolder } from './temp-folder.ts';

export class Customer implements AsyncDisposable {
  readonly #folder: TempFolder;
  readonly #model: WindowModel;
  readonly #listeners = new Set<() => void>();
  readonly session: AppletSession;
  /** In the order they came, each as it is now. */
  readonly chat = new Map<string, WindowChatLine>();

  private constructor(folder: TempFolder, model: WindowModel, session: AppletSession) {
    this.#folder = folder;
    this.#model = model;
    this.session = session;
    model.follow(message => {
      if (message.type === 'chat') this.chat.set(message.line.id, message.line);
      for (const listener of [...this.#listeners]) listener();
    });
  }

  /** With a PIN, as an applet without a tag. Resolves when the session is claimed: as far as the queue. */
  static async enter(appliance: Appliance, pin: string, desktop: Desktop | null = null): Promise<Customer> {
    const folder = new TempFolder();
    const [clock, environment, stopping] = [systemClock, {}, new AbortController().signal];
    const configuration = configurationOf(appliance);
    const model = new WindowModel(configuration.organisation);
    const gateway = await findGateway({ configuration, environment, clock, waiting: () => undefined }, stopping);
    const session = await startNodeSession({
      ...{ configuration, gateway, model, clock, environment, stopping, logFolder: join(folder.path, 'log') },
      ...{ entry: { kind: 'pin', pin }, desktop, over: () => undefined },
    });
    return new Customer(folder, model, session);
  }

  get state(): WindowState {
    return this.#model.state;
  }

  get logFolder(): string {
    return join(this.#folder.path, 'log');
  }

  /** Resolves with what `find` gives, asked again after each change in the window. */
  untilThat<T>(find: () => T | undefined): Promise<T> {
    return new Promise(resolve => {
      const look = () => {
        const found = find();
        if (found === undefined) return;
        this.#listeners.delete(look);
        resolve(found);
      };
      this.#listeners.add(look);
      look();
    });
  }

  /** The line with this text, once it is as far as wanted. */
  line(text: string, isFar: (line: WindowChatLine) => boolean = () => true): Promise<WindowChatLine> {
    return this.untilThat(() => [...this.chat.values()].find(line => line.text === text && isFar(line)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session.end('customer');
    this.#folder[Symbol.dispose]();
  }
}

/** What the signer builds into the applets of this appliance. */
function configurationOf({ dataFolder, port }: Appliance): AppletConfiguration {
  const read = (name: string) => readFileSync(join(dataFolder, 'public', name), 'utf8');
  const pinned = (purpose: string) => [publicKeyInfo(createPublicKey(read(`${purpose}.pub`)))];
  const purposes = ['session', 'receipts', 'gateway-list', 'tag', 'log-head'] as const;
  return AppletConfiguration.parse({
    ...{
      v: 1,
      organisation: '',
      servers: [{ host: 'localhost', port }],
      anchors: [read('ca.crt'), read('ca-next.crt')],
    },
    keys: Object.fromEntries(purposes.map(purpose => [purpose, pinned(purpose)])),
  });
}
