// Makes an AVI of a recording: `node appliance/bin/rcrec-to-avi.ts FILE.rcrec [--to FILE.avi] [--codec h264|zmbv]`.
// Without --codec: H.264 where ffmpeg is installed, else ZMBV, which ffmpeg and VLC play.
import { parseArgs } from 'node:util';
import { ApplianceError, describeError } from '../errors.ts';
import { AVI_CODECS, convertToAvi } from '../recording/rcrec-to-avi.ts';

try {
  const { values, positionals } = parseArgs({
    options: { to: { type: 'string' }, codec: { type: 'string' } },
    allowPositionals: true,
  });
  const [from] = positionals;
  const codec = AVI_CODECS.find(name => name === values.codec);
  if (from === undefined || positionals.length > 1 || (values.codec !== undefined && codec === undefined))
    throw new ApplianceError('malformed', 'recording.flags', 'FILE.rcrec [--to FILE.avi] [--codec h264|zmbv]');
  const to = values.to ?? from.replace(/(\.rcrec)?$/, '.avi');
  const made = await convertToAvi({ from, to, codec });
  process.stdout.write(`${to}: ${made.codec}, ${made.width} × ${made.height}, ${made.frames} pictures\n`);
} catch (error) {
  const hint = error instanceof ApplianceError && error.hint !== '' ? `\n${error.hint}` : '';
  process.stderr.write(`${describeError(error)}${hint}\n`);
  process.exitCode = 1;
}
