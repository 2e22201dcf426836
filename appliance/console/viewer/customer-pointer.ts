// The customer's mouse over the picture. noVNC draws a cursor where the technician's own mouse is; this one shows where the
// customer points, and stays there while he talks about it.

const SVG = 'http://www.w3.org/2000/svg';
const SIDE = 24;
/** An arrow whose tip is in the corner. */
const ARROW = 'M1 1v17l4.6-4.2 2.9 6.7 3-1.3-2.9-6.6H15z';

export class CustomerPointer {
  readonly #place: HTMLElement;
  readonly #placeOf: (x: number, y: number) => { readonly pageX: number; readonly pageY: number };
  readonly #arrow = arrow();
  readonly #resized: ResizeObserver;
  #at: { readonly x: number; readonly y: number } | null = null;

  /** @param placeOf where on the page a pixel of the picture is */
  constructor(place: HTMLElement, placeOf: (x: number, y: number) => { pageX: number; pageY: number }) {
    this.#place = place;
    this.#placeOf = placeOf;
    this.#resized = new ResizeObserver(() => this.#draw());
    this.#resized.observe(place);
    place.addEventListener('scroll', this.#scrolled, true);
  }

  show(at: { readonly x: number; readonly y: number } | null): void {
    this.#at = at;
    this.#draw();
  }

  close(): void {
    this.#resized.disconnect();
    this.#place.removeEventListener('scroll', this.#scrolled, true);
    this.#arrow.remove();
  }

  readonly #scrolled = () => this.#draw();

  #draw(): void {
    if (this.#at === null) {
      this.#arrow.remove();
      return;
    }
    const { left, top } = this.#place.getBoundingClientRect();
    const { pageX, pageY } = this.#placeOf(this.#at.x, this.#at.y);
    this.#arrow.style.transform = `translate(${Math.round(pageX - left)}px, ${Math.round(pageY - top)}px)`;
    if (!this.#arrow.isConnected) this.#place.append(this.#arrow);
  }
}

function arrow(): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'customer-pointer');
  svg.setAttribute('viewBox', `0 0 ${SIDE} ${SIDE}`);
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', ARROW);
  svg.append(path);
  return svg;
}
