// Tells what we injected from what the customer does. The X server reports each press, release and motion to us, with the
// device it came from and the number of the last request of ours it had dealt with. An event is ours when it came from
// XTEST's devices and we have asked for it: of that kind, not earlier than our request, and in the order of our requests.
// Time plays no part: under a grab that freezes devices (a window manager's) events come when it is over.
export type EventKind = 'key-press' | 'key-release' | 'button-press' | 'button-release' | 'motion';
type Side = 'keyboard' | 'pointer';

interface Expected {
  readonly kind: EventKind;
  readonly detail: number;
  /** Number of our request. */
  readonly seq: number;
}

/** So many at most wait for a frozen device; older ones are given up. */
const MAX_EXPECTED = 4096;

export class OwnEvents {
  readonly #expected: Record<Side, Expected[]> = { keyboard: [], pointer: [] };

  /** @param seq number of the request that injected it */
  sent(kind: EventKind, detail: number, seq: number): void {
    const list = this.#expected[sideOf(kind)];
    list.push({ kind, detail, seq });
    if (list.length > MAX_EXPECTED) list.shift();
  }

  /** To be asked once of each event of XTEST's devices. */
  isOurs(kind: EventKind, detail: number, seq: number): boolean {
    const list = this.#expected[sideOf(kind)];
    const found = list.findIndex(own => own.kind === kind && own.detail === detail && own.seq <= seq);
    if (found < 0) return false;
    // What we asked for before and got no event of, there will be none of any more.
    list.splice(0, found + 1);
    return true;
  }
}

function sideOf(kind: EventKind): Side {
  return kind.startsWith('key') ? 'keyboard' : 'pointer';
}
