// A process that makes one AVI: the picture's decoders read what came from a customer, and encoding takes all of a core, so
// neither is done where recordings are received.
import { type ChildProcess, fork } from 'node:child_process';
import { z } from 'zod';
import { ApplianceError } from '../errors.ts';
import type { Convert } from './avi-maker.ts';
import { AVI_CODECS, type AviMade } from './rcrec-to-avi.ts';

const Message = z.union([
  z.strictObject({ progress: z.number() }),
  z.strictObject({
    made: z.strictObject({ codec: z.enum(AVI_CODECS), frames: z.int(), width: z.int(), height: z.int() }),
  }),
  z.strictObject({
    failed: z.strictObject({
      kind: z.enum(['malformed', 'missing', 'unavailable']).catch('unavailable'),
      code: z.string(),
      message: z.string(),
    }),
  }),
]);

/** @param program of the process, which is told what to make and tells how it goes */
export function convertIn(program: string): Convert {
  return ({ from, to, onProgress }, signal) =>
    new Promise((resolve, reject) => {
      // The kernel gives it what nobody else wants; `fork` still gets its channel, for nice(1) becomes the runtime.
      const child = fork(program, [], { execPath: 'nice', execArgv: ['-n', '19', process.execPath], stdio: 'inherit' });
      const stop = () => child.kill('SIGKILL');
      signal.addEventListener('abort', stop, { once: true });
      const over = () => signal.removeEventListener('abort', stop);
      listen(child, onProgress).finally(over).then(resolve, reject);
      child.send({ from, to });
      if (signal.aborted) stop();
    });
}

function listen(child: ChildProcess, onProgress: (share: number) => void): Promise<AviMade> {
  return new Promise((resolve, reject) => {
    child.on('message', raw => {
      const message = Message.parse(raw);
      if ('progress' in message) onProgress(message.progress);
      else if ('made' in message) resolve(message.made);
      else reject(new ApplianceError(message.failed.kind, message.failed.code, message.failed.message));
    });
    const ended = (cause?: unknown) =>
      reject(
        new ApplianceError('unavailable', 'recording.avi-failed', 'the converter ended without a word', { cause }),
      );
    child.once('error', ended);
    child.once('exit', () => ended());
  });
}
