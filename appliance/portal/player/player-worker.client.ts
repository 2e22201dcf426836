// The Worker of a player: a film is taken apart in a thread of its own, which reaches nothing but the page it plays for.
import { systemClock } from '../../clock.ts';
import { ApplianceError, describeError } from '../../errors.ts';
import type { Bytes } from '../../protocol/bytes.ts';
import { RcrecFile } from '../../protocol/rcrec-file.ts';
import { browserSha256, decodeBrowserJpeg, newZstdUnpacker } from './browser-codecs.ts';
import { filmMarks } from './film-marks.ts';
import { FilmSource } from './film-source.ts';
import type { FromPlayer, ToPlayer } from './messages.ts';
import { Painter } from './painter.ts';
import { Playback } from './playback.ts';

const codecs = { newUnpacker: newZstdUnpacker, decodeJpeg: decodeBrowserJpeg };
const waiting = new Map<number, PromiseWithResolvers<Bytes>>();
let asked = 0;
let playback: Playback | null = null;

const tell = (message: FromPlayer, handedOver: Transferable[] = []) => postMessage(message, { transfer: handedOver });

addEventListener('message', ({ data }: MessageEvent<ToPlayer>) => {
  switch (data.type) {
    case 'open':
      open(data.bytes).catch(error => tell({ type: 'failed', why: describeFault(error) }));
      break;
    case 'part':
      waiting.get(data.id)?.resolve(data.bytes);
      waiting.delete(data.id);
      break;
    case 'no-part':
      waiting.get(data.id)?.reject(new ApplianceError('unavailable', 'recording.no-part', data.why));
      waiting.delete(data.id);
      break;
    case 'seek':
      playback?.seek(data.ms);
      break;
    case 'speed':
      playback?.speed(data.factor);
      break;
    case 'quiet':
      playback?.skipQuiet(data.isOn);
      break;
    default:
      playback?.[data.type]();
  }
});

function fetchPart(first: number, last: number): Promise<Bytes> {
  const part = Promise.withResolvers<Bytes>();
  const id = ++asked;
  waiting.set(id, part);
  tell({ type: 'read', id, first, last });
  return part.promise;
}

async function open(bytes: number): Promise<void> {
  const source = new FilmSource(bytes, fetchPart);
  const { file, isCut } = await openFile(source);
  const { durationMs, index, head } = file;
  const painter = new Painter();
  playback = new Playback({
    ...{ file, codecs, clock: systemClock },
    paint: (picture, ms, click) => {
      const bitmap = painter.paint(picture, ms, click);
      if (bitmap !== null) tell({ type: 'picture', bitmap }, [bitmap]);
    },
    tell: state => tell({ type: 'state', ...state }),
    failed: error => tell({ type: 'failed', why: describeFault(error) }),
  });
  tell({ type: 'opened', durationMs, startedAt: head.startedAt, isCut, ...filmMarks(index.marks, head) });
  playback.seek(0);
}

/** One whose index can't be read is looked through as one that was cut. */
async function openFile(source: FilmSource): Promise<{ file: RcrecFile; isCut: boolean }> {
  try {
    const file = await RcrecFile.open(source, browserSha256);
    return { file, isCut: file.isCut };
  } catch (error) {
    if (!(error instanceof ApplianceError) || error.code !== 'rcrec.damaged') throw error;
    return { file: await RcrecFile.salvage(source, browserSha256), isCut: true };
  }
}

function describeFault(error: unknown): string {
  return error instanceof ApplianceError ? error.message : describeError(error);
}
