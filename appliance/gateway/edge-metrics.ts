// What the edge counts. Refusals are counted by reason and not logged: a log line for each would be the flood's gift.
import type { Clock } from '../clock.ts';
import type { Counter, Metrics } from '../metrics.ts';

export class EdgeMetrics {
  readonly #metrics: Metrics;
  readonly #clock: Clock;
  readonly #refusals: Counter;
  readonly #connections: Counter;
  readonly #requests: Counter;

  constructor(metrics: Metrics, clock: Clock) {
    this.#metrics = metrics;
    this.#clock = clock;
    this.#refusals = metrics.counter(
      'gateway_refusals_total',
      'Connections and requests refused at the edge, by reason',
    );
    this.#connections = metrics.counter('gateway_connections_total', 'TCP connections taken');
    this.#requests = metrics.counter('gateway_requests_total', 'Requests answered, by class of status');
  }

  refused(reason: string): void {
    this.#refusals.add({ reason });
  }

  connected(): void {
    this.#connections.add();
  }

  answered(status: number): void {
    this.#requests.add({ status: `${Math.floor(status / 100)}xx` });
  }

  /** Sets the gauges at each reading. */
  watch(
    connections: { readonly open: number; readonly upgraded: number },
    certificates: () => readonly { readonly label: string; readonly notAfter: number }[],
  ): void {
    const open = this.#metrics.gauge('gateway_connections', 'TCP connections open');
    const upgraded = this.#metrics.gauge('gateway_upgrades', 'Upgraded connections open');
    const left = this.#metrics.gauge('gateway_certificate_seconds_left', 'Until a certificate runs out');
    const resident = this.#metrics.gauge('gateway_resident_bytes', 'Memory of the process');
    this.#metrics.sample(() => {
      open.set(connections.open);
      upgraded.set(connections.upgraded);
      resident.set(process.memoryUsage.rss());
      for (const { label, notAfter } of certificates()) {
        left.set(Math.round((notAfter - this.#clock.now()) / 1000), { certificate: label });
      }
    });
  }
}
