// What a player is handed on Node.
import jpegTurbo from '@julusian/jpeg-turbo';
import { RCREC_WINDOW_LOG } from '../../protocol/rcrec.ts';
import type { RcrecCodecs } from '../../protocol/rcrec-player.ts';
import { Inflater } from '../decode/inflater.ts';
import { decodeJpeg } from '../decode/tight.ts';

export const nodeCodecs: RcrecCodecs = {
  newUnpacker: () => {
    const stream = Inflater.zstd(RCREC_WINDOW_LOG);
    return { unpack: (packed, plainBytes) => stream.inflate(packed, plainBytes), close: () => stream.close() };
  },
  decodeJpeg: (jpeg, size) => decodeJpeg(jpeg, size, jpegTurbo.FORMAT_RGBA),
};
