// Hears what a screen tells, for tests that wait for it.
import type {
  CursorPicture,
  ScreenLayout,
  ScreenListener,
  ScreenSource,
} from '../../appliance/customer-core/screen-source.ts';

type News = { [Kind in keyof ScreenListener]: Parameters<ScreenListener[Kind]>[0] };

export class ScreenWatch {
  readonly #counts = new Map<keyof News, number>();
  readonly #waiting = new Set<{ readonly kind: keyof News; readonly hear: (news: never) => void }>();

  constructor(screen: ScreenSource) {
    screen.listen({
      damaged: () => this.#hear('damaged', undefined as never),
      layoutChanged: layout => this.#hear('layoutChanged', layout),
      cursorChanged: cursor => this.#hear('cursorChanged', cursor),
      lost: why => this.#hear('lost', why),
    });
  }

  count(kind: keyof News): number {
    return this.#counts.get(kind) ?? 0;
  }

  next<Kind extends keyof News>(kind: Kind): Promise<News[Kind]> {
    return new Promise(resolve => this.#waiting.add({ kind, hear: resolve }));
  }

  /** The cursor after something was done. */
  async cursor(change: () => Promise<void>): Promise<CursorPicture | null> {
    const changed = this.next('cursorChanged');
    await change();
    return changed;
  }

  /** The first layout of that kind after something was done; changes come in steps. */
  async layout(change: () => unknown, isIt: (layout: ScreenLayout) => boolean): Promise<ScreenLayout> {
    let next = this.next('layoutChanged');
    change();
    for (;;) {
      const layout = await next;
      if (isIt(layout)) return layout;
      next = this.next('layoutChanged');
    }
  }

  #hear<Kind extends keyof News>(kind: Kind, news: News[Kind]): void {
    this.#counts.set(kind, this.count(kind) + 1);
    for (const waiting of [...this.#waiting].filter(one => one.kind === kind)) {
      this.#waiting.delete(waiting);
      waiting.hear(news as never);
    }
  }
}
