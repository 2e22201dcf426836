// Receipts of answers on their way to the appliance. One that may have been lost with its connection is sent again: it is
// known to be there once the report that followed it was acknowledged.
import type { AppletSigned } from './objects.ts';

export class Receipts {
  readonly #send: (receipt: AppletSigned) => void;
  readonly #unsure = new Set<AppletSigned>();

  constructor(send: (receipt: AppletSigned) => void) {
    this.#send = send;
  }

  /** @param followed resolves once a report that was told later is acknowledged */
  keep(receipt: AppletSigned, followed: Promise<{ readonly acknowledged: Promise<void> }>): void {
    this.#unsure.add(receipt);
    this.#send(receipt);
    followed
      .then(({ acknowledged }) => acknowledged)
      .then(
        () => this.#unsure.delete(receipt),
        () => this.#unsure.delete(receipt), // too many reports wait: then nothing new is allowed either
      );
  }

  resend(): void {
    for (const receipt of this.#unsure) this.#send(receipt);
  }
}
