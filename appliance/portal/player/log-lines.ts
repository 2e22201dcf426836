// The log beside a film: the line of this moment stands out, and a line that is pressed is where the film goes.
import type { FilmMark } from './film-marks.ts';

interface Line {
  readonly row: HTMLElement;
  readonly ms: number;
}

export class LogLines {
  readonly #region: HTMLElement;
  readonly #seek: (ms: number) => void;
  #lines: readonly Line[] = [];
  #now: Line | undefined;

  /** @param region that holds the table, and scrolls by itself while there is a film */
  constructor(region: HTMLElement, seek: (ms: number) => void) {
    this.#region = region;
    this.#seek = seek;
  }

  /** @returns the customer's answers, as marks of the film */
  open(startedAt: number, durationMs: number): FilmMark[] {
    this.close();
    const rows = [...this.#region.querySelectorAll<HTMLElement>('tr[data-at]')];
    const lines = rows.map(row => ({ row, ms: Number(row.dataset.at) - startedAt }));
    this.#lines = lines.filter(({ ms }) => ms >= 0 && ms <= durationMs);
    this.#region.classList.add('with-film');
    for (const line of this.#lines) this.#makeButton(line);
    const answers = this.#lines.filter(({ row }) => row.dataset.consent !== undefined);
    return answers.map(({ row, ms }) => ({ ms, kind: 'consent', text: row.dataset.consent ?? '' }));
  }

  show(ms: number): void {
    const now = this.#lines.findLast(line => line.ms <= ms);
    if (now === this.#now) return;
    this.#now?.row.removeAttribute('aria-current');
    this.#now = now;
    if (now === undefined) return;
    now.row.setAttribute('aria-current', 'true');
    const [region, row] = [this.#region, now.row];
    // Of the region only: the page stays where it is.
    region.scrollTop = row.offsetTop - (region.clientHeight - row.offsetHeight) / 2;
  }

  close(): void {
    this.show(Number.NEGATIVE_INFINITY);
    for (const { row } of this.#lines) {
      const button = row.querySelector('button');
      button?.replaceWith(...button.childNodes);
    }
    this.#lines = [];
    this.#region.classList.remove('with-film');
  }

  #makeButton({ row, ms }: Line): void {
    const time = row.querySelector('time');
    if (time === null) return;
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'link';
    time.replaceWith(button);
    button.append(time);
    button.setAttribute('aria-label', `Show ${time.textContent}`);
    button.addEventListener('click', () => this.#seek(ms));
  }
}
