// What of a stream is named in the index, so that a player's time line shows it without reading the film.
import test from 'ava';
import { RecordedReader } from '../../appliance/protocol/recorded-stream.ts';
import { parseMark } from '../../appliance/protocol/recording-marks.ts';
import { RcrecWriter } from '../../appliance/recording/rcrec-writer.ts';
import { PictureTrack } from '../../appliance/recording/receive/picture-track.ts';
import { head, MemoryOutput, openFile } from './open-rcrec.ts';
import { STARTED_AT, TestStream } from './test-stream.ts';

/** Two clicks, a wheel, a pointer that moves with its button down, and a pause. */
function someWork(): TestStream {
  const stream = new TestStream();
  stream.start();
  const point = (ms: number, buttons: number) => {
    stream.beat(ms);
    stream.mark({ type: 'pointer', at: stream.at, x: 5, y: 6, buttons });
  };
  stream.mark({ type: 'monitors', at: stream.at, monitors: [], monitor: 0 });
  for (const buttons of [0, 1, 1, 0, 8, 0, 4, 5, 0]) point(100, buttons);
  stream.beat(100, 3);
  stream.mark({ type: 'state', at: stream.at, state: 'paused' });
  stream.end();
  return stream;
}

const EXPECTED = ['0 monitors', '200 pointer', '700 pointer', '800 pointer', '1000 state', '1000 end'];

/** Up to so many messages are only drawn again, for they are in the file of a recorder before this one. */
async function namedBy(drawnAgain: number): Promise<string[]> {
  const output = new MemoryOutput();
  const writer = RcrecWriter.begin(output, head);
  const track = new PictureTrack(STARTED_AT);
  let count = 0;
  for (const piece of new RecordedReader().push(someWork().bytes)) {
    if (count++ === drawnAgain) track.record(writer);
    await track.take(piece);
  }
  track.frame();
  await writer.end(1);
  await writer.close();
  track.close();
  const { index } = await openFile(output.bytes);
  return index.marks.map(({ atMs, json }) => `${atMs} ${parseMark(json).type}`);
}

test('H-04 the index names each press of a button, monitors and what happened, and no wheel, no move, no beat', async t => {
  t.deepEqual(await namedBy(0), EXPECTED);
});

test('H-04 H-03 it names them also where a recorder was killed and another one goes on', async t => {
  for (const drawnAgain of [1, 9, 16]) t.deepEqual(await namedBy(drawnAgain), EXPECTED, `${drawnAgain} messages`);
});
