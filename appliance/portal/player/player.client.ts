// The player on the page of a session: what is pressed goes to the Worker, what it tells is shown.
import { FilmLink, type FromFilm } from './film-link.ts';
import type { FilmMark, FilmMonitors } from './film-marks.ts';
import { LogLines } from './log-lines.ts';
import type { OpenedFilm } from './messages.ts';
import type { Damage, PlaybackState } from './playback.ts';
import { clockOf, TimeLine } from './time-line.ts';

interface PolicyFactory {
  createPolicy(
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ): { createScriptURL(url: string): object };
}

const JUMP_MS = 10_000;
/** A jump that takes longer is told of. */
const PATIENCE_MS = 400;
const SVG = 'http://www.w3.org/2000/svg';

class Player {
  readonly #section: HTMLElement;
  readonly #newWorker: () => Worker;
  readonly #line: TimeLine;
  readonly #log: LogLines;
  #link: FilmLink | null = null;
  #film: OpenedFilm | null = null;
  #state: PlaybackState = { ms: 0, isPlaying: false, width: 0, height: 0, damage: null };
  #monitors: FilmMonitors | undefined;
  #toPlay = false;
  #canvas: HTMLCanvasElement | null = null;
  #hasFailed = false;
  #patience: ReturnType<typeof setTimeout> | undefined;

  constructor(section: HTMLElement, newWorker: () => Worker, log: HTMLElement) {
    this.#section = section;
    this.#newWorker = newWorker;
    const slider = this.#part<HTMLInputElement>('seek');
    this.#line = new TimeLine(slider, this.#part('marks'), this.#part('clock'));
    this.#log = new LogLines(log, ms => this.#seek(ms));
    slider.addEventListener('input', () => this.#seek(Number(slider.value)));
    section.addEventListener('click', ({ target }) => {
      const button = target instanceof Element ? target.closest<HTMLElement>('[data-act]') : null;
      if (button !== null) this.act(button.dataset.act ?? '');
    });
    section.addEventListener('change', () => this.#settings());
  }

  /** @param button that was pressed for this film */
  async open(button: HTMLElement): Promise<void> {
    this.#link?.close();
    this.#log.close();
    for (const one of document.querySelectorAll('button[data-film]')) one.removeAttribute('aria-pressed');
    button.setAttribute('aria-pressed', 'true');
    this.#film = null;
    this.#toPlay = true;
    this.#section.hidden = false;
    const canvas = this.#newCanvas(`Picture of recording ${button.dataset.number}`);
    const { number, part } = button.dataset;
    this.#part('title').textContent = part === undefined ? `Recording ${number}` : `Recording ${number}, ${part}`;
    this.#says('Reading …');
    this.#section.scrollIntoView({ block: 'nearest' });
    canvas.focus({ preventScroll: true });
    const link = new FilmLink(button.dataset.film ?? '', this.#newWorker(), told => {
      if (link === this.#link) this.#told(told);
    });
    this.#link = link;
    await link.open();
  }

  act(name: string): void {
    const { ms, isPlaying, damage } = this.#state;
    this.#tryAgain();
    if (name === 'toggle') this.#link?.say({ type: isPlaying ? 'pause' : 'play' });
    else if (name === 'back') this.#seek(ms - JUMP_MS);
    else if (name === 'on') this.#seek(ms + JUMP_MS);
    else if (name === 'next') this.#jump(this.#line.next(ms));
    else if (name === 'previous') this.#jump(this.#line.previous(ms));
    else if (name === 'beyond') this.#seek(damage?.nextMs ?? ms);
    else if (name === 'full') void this.#fullScreen();
  }

  get isOpen(): boolean {
    return this.#link !== null;
  }

  #told(told: FromFilm): void {
    if (told.type === 'picture') this.#draw(told.bitmap);
    else if (told.type === 'opened') this.#opened(told);
    else if (told.type === 'state') this.#show(told);
    else this.#failed(told.why);
  }

  #newCanvas(name: string): HTMLCanvasElement {
    const canvas = document.createElement('canvas');
    canvas.tabIndex = 0;
    canvas.dataset.act = 'toggle';
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', name);
    this.#part('screen').replaceChildren(canvas);
    this.#canvas = canvas;
    return canvas;
  }

  /** It may be well again: what is asked for next tries it. */
  #failed(why: string): void {
    this.#hasFailed = true;
    this.#says(why, 'bad');
  }

  #tryAgain(): void {
    if (this.#hasFailed) this.#says('');
    this.#hasFailed = false;
  }

  #draw(bitmap: ImageBitmap): void {
    const canvas = this.#canvas;
    if (canvas === null) return;
    if (canvas.width !== bitmap.width) canvas.width = bitmap.width;
    if (canvas.height !== bitmap.height) canvas.height = bitmap.height;
    canvas.getContext('bitmaprenderer')?.transferFromImageBitmap(bitmap);
  }

  #opened(film: OpenedFilm): void {
    this.#film = film;
    const answers = this.#log.open(film.startedAt, film.durationMs);
    this.#line.open(film.durationMs, [...film.marks, ...answers]);
    const cut = 'The end of this file is missing or damaged: it plays up to there. Its marks are not known.';
    this.#says(film.isCut ? cut : '', 'warn');
    this.#settings();
    if (this.#toPlay) this.#link?.say({ type: 'play' });
    this.#toPlay = false;
  }

  #show(state: PlaybackState): void {
    const before = this.#state;
    this.#state = state;
    clearTimeout(this.#patience);
    this.#part('screen').removeAttribute('aria-busy');
    this.#line.show(state.ms);
    this.#log.show(state.ms);
    this.#showMonitors(this.#film?.monitors.findLast(({ ms }) => ms <= state.ms));
    this.#section.dataset.ms = String(Math.round(state.ms));
    this.#section.dataset.playing = String(state.isPlaying);
    if (state.isPlaying !== before.isPlaying) this.#showPlaying(state.isPlaying);
    if (state.damage?.message !== before.damage?.message) this.#showDamage(state.damage, state.ms);
  }

  #showPlaying(isPlaying: boolean): void {
    this.#part('play').hidden = isPlaying;
    this.#part('pause').hidden = !isPlaying;
  }

  #showDamage(damage: Damage | null, ms: number): void {
    this.#part('beyond').hidden = damage?.nextMs == null;
    if (damage === null) return void this.#says('');
    this.#says(`At ${clockOf(ms)}: ${damage.message}.`, 'bad');
  }

  /** Where there is more than one. */
  #showMonitors(now: FilmMonitors | undefined): void {
    if (now === this.#monitors) return;
    this.#monitors = now;
    const place = this.#part('monitors');
    place.hidden = now === undefined || now.monitors.length < 2;
    if (now === undefined || place.hidden) return;
    const { monitors, monitor } = now;
    const [right, bottom] = [
      Math.max(...monitors.map(m => m.x + m.width)),
      Math.max(...monitors.map(m => m.y + m.height)),
    ];
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', `0 0 ${right} ${bottom}`);
    svg.setAttribute('role', 'img');
    const shown = monitor === 0 ? 'all of them are shown' : `monitor ${monitor} is shown`;
    svg.setAttribute('aria-label', `${monitors.length} monitors; ${shown}`);
    for (const { id, x, y, width, height } of monitors) {
      const rect = document.createElementNS(SVG, 'rect');
      for (const [name, value] of Object.entries({ x, y, width, height })) rect.setAttribute(name, String(value));
      if (monitor === 0 || id === monitor) rect.classList.add('shown');
      svg.append(rect);
    }
    place.replaceChildren(svg);
  }

  #settings(): void {
    this.#link?.say({ type: 'speed', factor: Number(this.#part<HTMLSelectElement>('speed').value) });
    this.#link?.say({ type: 'quiet', isOn: this.#part<HTMLInputElement>('quiet').checked });
  }

  #jump(mark: FilmMark | undefined): void {
    if (mark === undefined) return void this.#says('There is no mark any more that way.');
    this.#seek(mark.ms);
    this.#says(`${clockOf(mark.ms)} ${mark.text}`);
  }

  #seek(ms: number): void {
    this.#tryAgain();
    this.#link?.say({ type: 'seek', ms });
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#part('screen').setAttribute('aria-busy', 'true'), PATIENCE_MS);
  }

  #says(text: string, tone = ''): void {
    const place = this.#part('says');
    place.textContent = text;
    place.className = text === '' || tone === '' ? 'hint' : `notice ${tone}`;
  }

  async #fullScreen(): Promise<void> {
    if (document.fullscreenElement === null) await this.#section.requestFullscreen();
    else await document.exitFullscreen();
  }

  #part<E extends HTMLElement = HTMLElement>(name: string): E {
    const found = this.#section.querySelector<E>(`[data-part="${name}"]`);
    if (found === null) throw new TypeError(`the player has no ${name}`);
    return found;
  }
}

const KEYS: Readonly<Record<string, string>> = {
  ' ': 'toggle',
  ArrowLeft: 'back',
  ArrowRight: 'on',
  n: 'next',
  p: 'previous',
  f: 'full',
};

/** A button takes its own space bar, a list its own arrows. */
function watchKeys(player: Player, ...places: readonly HTMLElement[]): void {
  document.addEventListener('keydown', event => {
    const { key, target } = event;
    const act = KEYS[key];
    if (act === undefined || !player.isOpen || event.ctrlKey || event.altKey || event.metaKey) return;
    if (!(target instanceof Element)) return;
    if (target !== document.body && !places.some(place => place.contains(target))) return;
    if (target.closest('select') !== null || (key === ' ' && target.closest('button, [type="checkbox"]') !== null))
      return;
    event.preventDefault();
    player.act(act);
  });
}

function begin(section: HTMLElement, log: HTMLElement): void {
  const { trustedTypes } = globalThis as { trustedTypes?: PolicyFactory };
  const url = section.dataset.worker ?? '';
  const policy = trustedTypes?.createPolicy('workers', {
    createScriptURL: asked => {
      if (asked !== url) throw new TypeError('that is no script of a Worker');
      return asked;
    },
  });
  // The types of the DOM know of no trusted address yet.
  const newWorker = () => new Worker((policy?.createScriptURL(url) ?? url) as string);
  const player = new Player(section, newWorker, log);
  watchKeys(player, section, log);
  for (const button of document.querySelectorAll<HTMLElement>('button[data-film]')) {
    button.hidden = false;
    button.addEventListener('click', () => void player.open(button));
  }
}

const [section, log] = ['[data-player]', '[data-log]'].map(name => document.querySelector<HTMLElement>(name));
if (section != null && log != null) begin(section, log);
