// A way for messages between the two ends: the relay, a direct TCP connection, a UDP data channel. It keeps messages
// whole and in order; it need not be trusted.
import type { PathKind } from '../protocol/attach.ts';
import type { Bytes } from '../protocol/bytes.ts';

export interface PathListener {
  message(message: Bytes): void;
  /** What waits to be sent has become less than it was, after `unsentBytes` had been too many. */
  drained(): void;
  /** Called once, whoever ended it. */
  closed(): void;
}

export interface Path {
  readonly kind: PathKind;
  /** Bytes given to `send` that have not left yet. */
  readonly unsentBytes: number;
  /** Called once, before anything is sent. Messages that came before wait for it. */
  listen(listener: PathListener): void;
  /** Takes the bytes; they must not change afterwards. On a closed path it does nothing. */
  send(message: Bytes): void;
  close(): void;
}
