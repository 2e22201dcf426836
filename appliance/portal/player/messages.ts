// What a page and the Worker of its player say to each other. The Worker takes foreign bytes apart, so it reaches nothing by
// itself: it asks the page for parts of the one film it plays.
import type { Bytes } from '../../protocol/bytes.ts';
import type { FilmMark, FilmMonitors } from './film-marks.ts';
import type { PlaybackState } from './playback.ts';

export type ToPlayer =
  | { readonly type: 'open'; readonly bytes: number }
  | { readonly type: 'part'; readonly id: number; readonly bytes: Bytes }
  | { readonly type: 'no-part'; readonly id: number; readonly why: string }
  | { readonly type: 'play' | 'pause' }
  | { readonly type: 'seek'; readonly ms: number }
  | { readonly type: 'speed'; readonly factor: number }
  | { readonly type: 'quiet'; readonly isOn: boolean };

export interface OpenedFilm {
  readonly type: 'opened';
  readonly durationMs: number;
  /** ms UTC of what is 0 in the film. */
  readonly startedAt: number;
  /** Its end or its index is not there: it can be seen up to where it is good. */
  readonly isCut: boolean;
  readonly marks: readonly FilmMark[];
  readonly monitors: readonly FilmMonitors[];
}

export type FromPlayer =
  | OpenedFilm
  | { readonly type: 'read'; readonly id: number; readonly first: number; readonly last: number }
  /** Handed over, and only where it is another one. */
  | { readonly type: 'picture'; readonly bitmap: ImageBitmap }
  | ({ readonly type: 'state' } & PlaybackState)
  /** It stands still; played again, it tries again. */
  | { readonly type: 'failed'; readonly why: string };
