// One AVI, made for the recorder in a process of its own that ends when the recorder does.
import { ApplianceError, describeError } from '../errors.ts';
import { type AviWish, convertToAvi } from '../recording/rcrec-to-avi.ts';

process.once('disconnect', () => process.exit(1));
process.once('message', message => {
  const { from, to } = message as Pick<AviWish, 'from' | 'to'>; // from the recorder
  convertToAvi({ from, to, onProgress: share => process.send?.({ progress: share }) }).then(
    made => process.send?.({ made }, () => process.exit(0)),
    error => {
      const { kind, code } =
        error instanceof ApplianceError ? error : { kind: 'unavailable', code: 'recording.avi-failed' };
      process.send?.({ failed: { kind, code, message: describeError(error) } }, () => process.exit(1));
    },
  );
});
