// A chat that goes on while gateways are killed or fall silent, with every line accounted for at the end: on both sides and in the
// session's log.
import type { TechnicianSession } from '../../appliance/console/technician-session.ts';
import { type Appliance, type ApplianceProcess, startAppliance } from './appliance.ts';
import { Customer } from './customer.ts';
import { Technician } from './technician.ts';

/** `kill`: gone, its connections are reset. `stop`: it is there and does nothing, as when a cable is cut. */
export type GatewayFault = 'kill' | 'stop';

export class ChatUnderFaults implements AsyncDisposable {
  readonly appliance: Appliance;
  readonly technician: Technician;
  readonly customer: Customer;
  readonly session: TechnicianSession;
  readonly said: string[] = [];
  #isOwnAppliance = false;

  private constructor(appliance: Appliance, technician: Technician, customer: Customer, session: TechnicianSession) {
    this.appliance = appliance;
    this.technician = technician;
    this.customer = customer;
    this.session = session;
  }

  /** On an appliance of its own. */
  static async start(gateways: number): Promise<ChatUnderFaults> {
    const chat = await ChatUnderFaults.begin(await startAppliance({ accounts: true, gateways }));
    chat.#isOwnAppliance = true;
    return chat;
  }

  static async begin(appliance: Appliance): Promise<ChatUnderFaults> {
    const technician = await Technician.signIn(appliance, appliance.accounts?.technician);
    const { session, pin } = await technician.make();
    const customer = await Customer.enter(appliance, pin);
    await technician.until(session.id, ({ state }) => state === 'waiting');
    const picked = await technician.pickUp(session.id);
    const chat = new ChatUnderFaults(appliance, technician, customer, picked);
    await chat.linked(appliance.gateways.length);
    return chat;
  }

  /** Resolves once the link has so many paths, and one of them carries it. */
  async linked(wanted: number): Promise<void> {
    this.session.hurry();
    await this.technician.untilThat(() => {
      const { phase, paths } = this.session.link;
      return (phase === 'open' && paths.length === wanted && paths.some(({ active }) => active)) || undefined;
    });
  }

  /** The customer writes. @returns ms until the technician sees it */
  async line(text: string): Promise<number> {
    const from = performance.now();
    this.said.push(text);
    this.customer.session.chat(text);
    await this.technician.untilThat(() => this.session.chat.lines.find(line => line.text === text));
    return performance.now() - from;
  }

  /** The gateway that carries the link just now. */
  get active(): ApplianceProcess {
    const id = this.session.link.paths.find(({ active }) => active)?.gateway ?? '';
    const process = this.appliance.gateways[Number(id.replace('gateway-', '')) - 1];
    if (process === undefined) throw new Error(`no gateway carries the link (${id})`);
    return process;
  }

  /** One fault of the active gateway in mid-chat. @returns ms until the next line has arrived */
  async round(fault: GatewayFault, text: string): Promise<number> {
    const gateway = this.active;
    if (fault === 'kill') await gateway.kill('SIGKILL');
    else process.kill(gateway.pid ?? 0, 'SIGSTOP');
    const restarted = this.appliance.gateways.length === 1 ? gateway.start() : Promise.resolve();
    const ms = await this.line(text);
    await restarted;
    if (fault === 'stop') await gateway.kill('SIGKILL');
    if (this.appliance.gateways.length > 1) await gateway.start();
    await this.linked(this.appliance.gateways.length);
    return ms;
  }

  /** Lines that are not exactly once, in order, in the console and in the log; none when all is well. */
  async missing(): Promise<string[]> {
    await this.technician.untilThat(() => (this.session.chat.storing === 0 ? true : undefined));
    const shown = this.session.chat.lines.filter(({ author }) => author === 'customer').map(({ text }) => text);
    const { chat } = await this.technician.api.detail(this.session.id);
    const logged = chat.filter(({ author }) => author === 'customer').map(({ text }) => text);
    return this.said.filter((text, at) => shown[at] !== text || logged[at] !== text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.technician[Symbol.asyncDispose]();
    await this.customer[Symbol.asyncDispose]();
    if (this.#isOwnAppliance) await this.appliance.close();
  }
}
