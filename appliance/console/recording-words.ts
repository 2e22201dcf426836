// How a recording stands, in the technician's words.
import type { RecordingView } from './link-messages.ts';
import type { UploadState } from './recording-upload.ts';

const recorders: Readonly<Record<UploadState, string>> = {
  connecting: 'The recorder is not reached. It is tried again by itself.',
  recording: 'The recorder has not confirmed it yet.',
  'share-full': 'The storage for recordings is full. An administrator must make room.',
  'share-read-only': 'The storage for recordings can’t be written to. An administrator must look at it.',
  'share-gone': 'The storage for recordings is not there. An administrator must look at it.',
  'signer-away': 'What is recorded can’t be signed at the moment. It goes on by itself.',
  refused: 'The recorder refuses this picture. Stop viewing and ask again.',
  lost: 'The recorder has lost this picture’s recording. Stop viewing and ask again.',
  done: '',
};

/** Why pictures stand still; null when that has nothing to do with recording. */
export function recordingHold({ isForced, applet, recorder }: RecordingView): string | null {
  if (applet === 'debt') return 'The picture before this one is not recorded to its end yet. It goes on by itself.';
  if (applet === 'lost') return 'Too much of this session could not be recorded.';
  if (!isForced || applet !== 'unproved') return null;
  return recorders[recorder ?? 'connecting'];
}

/** In a word or two, for the sign beside the picture. */
export function recordingSign(view: RecordingView): { text: string; isWell: boolean } | null {
  const { recorder, isForced, applet, pausedAt } = view;
  if (pausedAt !== null) return { text: `Recording paused since ${minuteOf(pausedAt)}`, isWell: false };
  if (recorder === null) return null;
  if (recorder === 'recording' && (applet === 'proved' || !isForced)) return { text: 'Recording', isWell: true };
  if (recorder === 'recording' && applet === 'waiting') return { text: 'Recording begins', isWell: true };
  return { text: recorder === 'lost' || recorder === 'refused' ? 'Not recorded' : 'Recording waits', isWell: false };
}

/** What the sign says to whoever asks it. */
export function recordingHint({ recorder, isForced, pausedAt }: RecordingView): string {
  if (pausedAt !== null)
    return 'What you see now is not recorded. When you paused, and when you go on, stands in the log.';
  if (recorder === 'recording') return isForced ? 'Your group’s sessions are recorded.' : 'You record this session.';
  return recorder === null ? '' : recorders[recorder];
}

function minuteOf(at: number): string {
  return new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}
