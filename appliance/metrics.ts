// Counters and gauges, shown in the Prometheus text format (version 0.0.4).
// Refusals and drops are counted by reason: `refusals.add({ reason: 'expired' })`.
import { defect } from './errors.ts';

export type Labels = Readonly<Record<string, string>>;

const NAME = /^[a-z][a-z0-9_]*$/;

class Series {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  protected readonly values = new Map<string, number>();

  constructor(name: string, help: string, type: 'counter' | 'gauge') {
    if (!NAME.test(name)) throw defect(`a metric is not named ${name}`);
    this.name = name;
    this.help = help;
    this.type = type;
  }

  value(labels: Labels = {}): number {
    return this.values.get(key(labels)) ?? 0;
  }

  text(): string {
    const rows = [...this.values].map(([labels, value]) => `${this.name}${labels} ${value}\n`);
    return `# HELP ${this.name} ${this.help}\n# TYPE ${this.name} ${this.type}\n${rows.join('')}`;
  }
}

export class Counter extends Series {
  add(labels: Labels = {}, by = 1): void {
    this.values.set(key(labels), this.value(labels) + by);
  }
}

export class Gauge extends Series {
  set(value: number, labels: Labels = {}): void {
    this.values.set(key(labels), value);
  }
}

/** The metrics of one process. Handed in from `bin/`; a name is registered once. */
export class Metrics {
  readonly #series = new Map<string, Counter | Gauge>();
  readonly #samplers: (() => void)[] = [];

  counter(name: string, help: string): Counter {
    return this.#register(new Counter(name, help, 'counter'));
  }

  gauge(name: string, help: string): Gauge {
    return this.#register(new Gauge(name, help, 'gauge'));
  }

  /** Called before each reading, to set gauges whose value is a look at something. */
  sample(sampler: () => void): void {
    this.#samplers.push(sampler);
  }

  text(): string {
    for (const sampler of this.#samplers) sampler();
    return [...this.#series.values()].map(series => series.text()).join('');
  }

  #register<T extends Counter | Gauge>(series: T): T {
    if (this.#series.has(series.name)) throw defect(`metric ${series.name} is registered twice`);
    this.#series.set(series.name, series);
    return series;
  }
}

function key(labels: Labels): string {
  const pairs = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  if (pairs.length === 0) return '';
  const escaped = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  return `{${pairs.map(([name, value]) => `${name}="${escaped(value)}"`).join(',')}}`;
}
