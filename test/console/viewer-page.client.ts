// A page with nothing but the console's viewer; the picture comes by a WebSocket of the test's.

import type { DecoderWorker } from '../../appliance/console/decoder-messages.ts';
import { RfbChannel } from '../../appliance/console/rfb-channel.ts';
import { makeViewer } from '../../appliance/console/screen-viewer.client.ts';
import type { ScreenViewer } from '../../appliance/console/screen-viewer.ts';

declare global {
  var viewer: ScreenViewer;
  /** Why the viewer gave up. */
  var over: string | null;
  function pixels(): string;
  /** Resolves when something else was drawn than those updates, or nothing will be any more. */
  function drawnAfter(frames: number): Promise<void>;
}

const socket = new WebSocket(`wss://${location.host}/`);
socket.binaryType = 'arraybuffer';
globalThis.over = null;
const waiting: (() => void)[] = [];
const wake = () => {
  for (const resume of waiting.splice(0)) resume();
};
globalThis.drawnAfter = async frames => {
  while (viewer.frames === frames && over === null) await new Promise<void>(resolve => waiting.push(resolve));
};
const channel = new RfbChannel({
  said: ({ bytes }) => socket.send(bytes),
  over: why => {
    globalThis.over = String(why);
    wake();
  },
});
const worker = new Worker('/zstd-worker.js') as unknown as DecoderWorker;
globalThis.viewer = makeViewer(channel, { drawn: wake, cutText: () => undefined }, worker);
if (viewer.place instanceof HTMLElement) document.body.append(viewer.place);
socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
  // As the console does: credit is given back when it was taken.
  void channel.take(new Uint8Array(data)).then(() => socket.send('took'));
};

/** Red, green, blue of the picture, as base64. */
globalThis.pixels = () => {
  const canvas = document.querySelector('canvas');
  if (canvas === null || canvas.width === 0) return '';
  const { width, height } = canvas;
  const rgba = canvas.getContext('2d')?.getImageData(0, 0, width, height).data ?? new Uint8ClampedArray();
  let text = '';
  for (let at = 0; at < rgba.length; at += 4)
    text += String.fromCharCode(rgba[at] ?? 0, rgba[at + 1] ?? 0, rgba[at + 2] ?? 0);
  return btoa(text);
};
