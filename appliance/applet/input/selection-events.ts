// What the X server says about selections (ICCCM §2): read from the wire's bytes.
//   28 PropertyNotify    window 4 · atom 8 · time 12 · state 16 (0 new, 1 deleted)
//   29 SelectionClear    time 4 · owner 8 · selection 12
//   30 SelectionRequest  time 4 · owner 8 · requestor 12 · selection 16 · target 20 · property 24
//   31 SelectionNotify   time 4 · requestor 8 · selection 12 · target 16 · property 20
//   XFixes + 0           subtype 1 · window 4 · owner 8 · selection 12 · time 16
import type { XEvent } from 'x11';

export type SelectionEvent =
  | {
      readonly type: 'property';
      readonly window: number;
      readonly atom: number;
      readonly time: number;
      readonly isNew: boolean;
    }
  | { readonly type: 'clear'; readonly window: number; readonly selection: number }
  | ({ readonly type: 'request' } & SelectionRequest)
  | { readonly type: 'answer'; readonly window: number; readonly property: number }
  | {
      readonly type: 'owner';
      readonly window: number;
      readonly owner: number;
      readonly selection: number;
      readonly time: number;
    };

export interface SelectionRequest {
  readonly time: number;
  /** Whose selection it is: ours. */
  readonly window: number;
  readonly requestor: number;
  readonly selection: number;
  readonly target: number;
  readonly property: number;
}

const SELECTION_NOTIFY = 31;

/** @param ownerEvent number of XFixes' event */
export function parseSelectionEvent({ rawData }: XEvent, ownerEvent: number): SelectionEvent | null {
  const at = (offset: number) => rawData.readUInt32LE(offset);
  const type = rawData.readUInt8(0) & 0x7f;
  if (type === ownerEvent) return { type: 'owner', window: at(4), owner: at(8), selection: at(12), time: at(16) };
  switch (type) {
    case 28:
      return { type: 'property', window: at(4), atom: at(8), time: at(12), isNew: rawData.readUInt8(16) === 0 };
    case 29:
      return { type: 'clear', window: at(8), selection: at(12) };
    case 30:
      return {
        ...{ type: 'request', time: at(4), window: at(8), requestor: at(12), selection: at(16) },
        target: at(20),
        property: at(24),
      };
    case SELECTION_NOTIFY:
      return { type: 'answer', window: at(8), property: at(20) };
    default:
      return null;
  }
}

/** @param property 0: it is refused */
export function writeSelectionAnswer(
  { time, requestor, selection, target }: SelectionRequest,
  property: number,
): Buffer {
  const event = Buffer.alloc(32);
  event.writeUInt8(SELECTION_NOTIFY, 0);
  [time, requestor, selection, target, property].forEach((value, at) => {
    event.writeUInt32LE(value, 4 + 4 * at);
  });
  return event;
}
