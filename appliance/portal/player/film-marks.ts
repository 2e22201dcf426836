// What stands on the time line of a film: the marks its index names, in words.
import type { Bytes } from '../../protocol/bytes.ts';
import type { RcrecHead } from '../../protocol/rcrec.ts';
import { type Mark, parseMark } from '../../protocol/recording-marks.ts';
import type { Monitor } from '../../protocol/screen.ts';
import { clockOf } from './time-line.ts';

export type MarkKind = 'consent' | 'action' | 'chat' | 'click' | 'gap';

export interface FilmMark {
  readonly ms: number;
  readonly kind: MarkKind;
  readonly text: string;
}

/** Which monitors there are from this moment on, and which is shown; 0 is all of them. */
export interface FilmMonitors {
  readonly ms: number;
  readonly monitors: readonly Monitor[];
  readonly monitor: number;
}

interface IndexMark {
  readonly atMs: number;
  readonly json: Bytes;
}

const STATES = {
  live: ['action', 'The picture goes on'],
  paused: ['gap', 'The customer paused the picture'],
  frozen: ['gap', 'The picture stood still'],
  unrecorded: ['gap', 'What was sent before was not proved to be recorded in time'],
} as const;

/** Those it can read; a newer recorder may know others. @param head of a film that may go on behind a pause */
export function filmMarks(
  marks: readonly IndexMark[],
  head: Pick<RcrecHead, 'after' | 'pausedMs' | 'technician'>,
): { marks: FilmMark[]; monitors: FilmMonitors[] } {
  const [found, monitors]: [FilmMark[], FilmMonitors[]] = [[], []];
  if (head.after !== null)
    found.push({
      ms: 0,
      kind: 'gap',
      text: `It goes on: ${head.technician} had paused it for ${clockOf(head.pausedMs)}`,
    });
  for (const { atMs: ms, json } of marks) {
    const mark = readMark(json);
    if (mark?.type === 'monitors') monitors.push({ ms, monitors: mark.monitors, monitor: mark.monitor });
    const shown = mark === null ? null : shownOf(mark, head.technician);
    if (shown !== null) found.push({ ms, kind: shown[0], text: shown[1] });
  }
  return { marks: found, monitors };
}

type ReadMark = Mark | { readonly type: 'note'; readonly note: string };

function readMark(json: Bytes): ReadMark | null {
  try {
    const { type, note } = JSON.parse(new TextDecoder().decode(json));
    return type === 'note' ? { type, note: String(note) } : parseMark(json);
  } catch {
    return null;
  }
}

function shownOf(mark: ReadMark, technician: string): readonly [MarkKind, string] | null {
  switch (mark.type) {
    case 'action':
      return ['action', `${mark.action}: ${mark.stage}`];
    case 'chat':
      return ['chat', `The ${mark.by} wrote`];
    case 'pointer':
      return ['click', `Click at ${mark.x}, ${mark.y}`];
    case 'state':
      return STATES[mark.state];
    case 'loss':
      return ['gap', `Of an earlier picture ${mark.sent - mark.covered} bytes were not recorded`];
    case 'end':
      if (mark.why === 'paused') return ['gap', `${technician} paused the recording`];
      return ['gap', `The picture ended: ${mark.why}`];
    case 'note':
      return ['gap', `The recorder: ${mark.note}`];
    default:
      return null;
  }
}
