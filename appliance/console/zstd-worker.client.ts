// The Worker that decompresses one picture: foreign bytes are taken apart in a thread of their own, which reaches nothing but
// the viewer it works for.

import { ZstdStream } from '../browser/zstd-stream.ts';
import { describeError } from '../errors.ts';
import type { FromDecoder, ToDecoder } from './decoder-messages.ts';
import { AreaReader } from './viewer/painted-areas.ts';

const reader = new AreaReader();
const opened = ZstdStream.open();

const tell = (message: FromDecoder, handedOver: ArrayBuffer[] = []) => {
  postMessage(message, { transfer: handedOver });
};

addEventListener('message', ({ data }: MessageEvent<ToDecoder>) => {
  void decode(data);
});

async function decode({ compressed, plainBytes, box }: ToDecoder): Promise<void> {
  try {
    const stream = await opened; // answers come in the order of the questions: all of them wait for the same
    const painted = reader.read(stream.decompress(compressed, plainBytes), box);
    tell(painted, [painted.areas.buffer, painted.pixels.buffer]);
  } catch (error) {
    tell({ fault: describeError(error) });
    close();
  }
}
