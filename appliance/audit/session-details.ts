// What is told of an ended session outside of the appliance. The domain of sessions stands above this one and hands it in.
import type { SessionId } from '../guid.ts';

export interface SessionDetails {
  readonly id: SessionId;
  readonly state: string;
  readonly reason: string | null;
  /** Null where nobody picked it up. */
  readonly technicianId: string | null;
  readonly technician: string;
  /** The last one it was in; null where it came by none. */
  readonly channel: string | null;
  /** `Helpdesk › Night shift` */
  readonly group: string;
  readonly customer: string | null;
  /** What he said at a channel that it is about; null where chat is not to be told. */
  readonly question: string | null;
  readonly language: string | null;
  readonly platform: string | null;
  /** ms UTC */
  readonly createdAt: number;
  readonly pickedUpAt: number | null;
  readonly endedAt: number | null;
  readonly events: readonly { readonly at: number; readonly event: string; readonly by: string }[];
  /** Null where it is not to be told; lines whose text is not kept are left out. */
  readonly chat: readonly { readonly at: number; readonly author: string; readonly text: string }[] | null;
}

/** @returns null when the session is not there (any more) */
export type DescribeSession = (id: SessionId, withChat: boolean) => Promise<SessionDetails | null>;
