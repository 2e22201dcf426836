// What page and Worker say to each other about the shared screen. Only a page may ask what is to be shown; where the
// browser can, the pictures then go straight into the Worker, for a page in the background is slowed down.

export type ShareFromWorker =
  /** Ask the customer what he wants to show. */
  | { readonly type: 'share' }
  /** The first picture has come. */
  | { readonly type: 'seen' }
  /** Nobody watches any more: the browser's own sign goes out as well. */
  | { readonly type: 'unshare' }
  /** The present picture, by the page's way. */
  | { readonly type: 'grab' };

export type ShareToWorker =
  | { readonly type: 'shared'; readonly frames: ReadableStream<VideoFrame> }
  /** The browser keeps its pictures to the page: they come one by one. */
  | { readonly type: 'shared-page'; readonly width: number; readonly height: number }
  /** Refused, or not to be had. */
  | { readonly type: 'not-shared' }
  /** The customer has ended it with the browser's own button. */
  | { readonly type: 'share-ended' }
  | { readonly type: 'moved' }
  | { readonly type: 'picture'; readonly picture: ImageData };
