// The page's part in showing the customer's screen: asks the browser to ask him what to show, and hands the pictures to the
// Worker. The browser shows all the time that something is shared, and has a button of its own to end it.
import { el } from '../browser/elements.ts';
import type { ShareFromWorker, ShareToWorker } from './share-messages.ts';

/** Where the browser gives frames out as a stream (Chromium). */
interface TrackProcessor {
  readonly readable: ReadableStream<VideoFrame>;
}
type TrackProcessorClass = new (options: { track: MediaStreamTrack }) => TrackProcessor;

const WISH = { video: { frameRate: { max: 30 }, cursor: 'always' }, audio: false } as DisplayMediaStreamOptions;

/** So long a picture is waited for before it is asked for once more. */
const NUDGE_MS = 500;

export class ScreenShare {
  readonly #say: (message: ShareToWorker, transfer: Transferable[]) => void;
  readonly #card = el('section', { id: 'share', class: 'card', role: 'alert', hidden: true });
  #track: MediaStreamTrack | null = null;
  #page: PagePictures | null = null;
  #nudge: Nudge | null = null;

  constructor(root: Element, say: (message: ShareToWorker, transfer: Transferable[]) => void) {
    this.#say = say;
    const choose = el('button', { id: 'chooseScreen', type: 'button', class: 'primary' }, 'Choose what to show');
    const cancel = el('button', { id: 'showNothing', type: 'button' }, 'Show nothing');
    choose.addEventListener('click', () => void this.#ask());
    cancel.addEventListener('click', () => this.#refused());
    const text = 'Choose a screen, a window or a tab. The technician sees only that, and can’t click or type in it.';
    this.#card.append(el('h2', {}, 'Show your screen'), el('p', {}, text), el('p', { class: 'row' }, choose, cancel));
    root.prepend(this.#card);
  }

  handle(message: ShareFromWorker): void {
    if (message.type === 'share') void this.#ask();
    else if (message.type === 'unshare') this.#stop();
    else if (message.type === 'seen') this.#nudge?.close();
    else this.#page?.grab(picture => this.#say({ type: 'picture', picture }, [picture.data.buffer]));
  }

  /** A browser asks only upon a press: where the customer's yes is too long ago, there is a button to press. */
  async #ask(): Promise<void> {
    this.#stop();
    if (!navigator.userActivation.isActive) {
      this.#card.hidden = false;
      return;
    }
    this.#card.hidden = true;
    try {
      const stream = await navigator.mediaDevices.getDisplayMedia(WISH);
      const [track] = stream.getVideoTracks();
      if (track === undefined) return this.#refused();
      await this.#share(track, stream);
    } catch {
      this.#refused(); // he has chosen nothing, or the browser has nothing to show
    }
  }

  async #share(track: MediaStreamTrack, stream: MediaStream): Promise<void> {
    this.#track = track;
    track.addEventListener('ended', () => {
      if (this.#track === track) this.#say({ type: 'share-ended' }, []);
    });
    const { MediaStreamTrackProcessor } = globalThis as { MediaStreamTrackProcessor?: TrackProcessorClass };
    if (MediaStreamTrackProcessor !== undefined) {
      const { readable } = new MediaStreamTrackProcessor({ track });
      this.#nudge = new Nudge(stream);
      return this.#say({ type: 'shared', frames: readable }, [readable]);
    }
    const page = await PagePictures.of(stream, () => this.#say({ type: 'moved' }, []));
    this.#page = page;
    this.#say({ type: 'shared-page', ...page.size }, []);
  }

  #refused(): void {
    this.#card.hidden = true;
    this.#say({ type: 'not-shared' }, []);
  }

  #stop(): void {
    this.#card.hidden = true;
    this.#page?.close();
    this.#page = null;
    this.#nudge?.close();
    const track = this.#track;
    this.#track = null;
    track?.stop();
  }
}

/**
 * A picture that stands still may be over before anybody looked: then none would ever come. Whoever begins to look at a track is
 * given one, and all others with him.
 */
class Nudge {
  readonly #video = document.createElement('video');
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(stream: MediaStream) {
    this.#video.muted = true;
    this.#timer = setInterval(() => {
      this.#video.srcObject = null;
      this.#video.srcObject = stream;
      this.#video.play().catch(() => undefined); // given up for the next look, or the track has ended
    }, NUDGE_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#video.srcObject = null;
  }
}

/** For browsers that show a track in a page only. */
class PagePictures {
  readonly #video: HTMLVideoElement;
  readonly #canvas = document.createElement('canvas');
  #isClosed = false;

  private constructor(video: HTMLVideoElement) {
    this.#video = video;
  }

  static async of(stream: MediaStream, moved: () => void): Promise<PagePictures> {
    const video = document.createElement('video');
    video.muted = true;
    video.srcObject = stream;
    await video.play();
    const pictures = new PagePictures(video);
    const next = () => {
      if (pictures.#isClosed) return;
      moved();
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
    return pictures;
  }

  get size(): { width: number; height: number } {
    return { width: this.#video.videoWidth, height: this.#video.videoHeight };
  }

  grab(taken: (picture: ImageData) => void): void {
    const { width, height } = this.size;
    if (width === 0 || height === 0) return;
    Object.assign(this.#canvas, { width, height });
    const context = this.#canvas.getContext('2d', { alpha: false, willReadFrequently: true });
    if (context === null) return;
    context.drawImage(this.#video, 0, 0);
    taken(context.getImageData(0, 0, width, height));
  }

  close(): void {
    this.#isClosed = true;
    this.#video.pause();
    this.#video.srcObject = null;
  }
}
