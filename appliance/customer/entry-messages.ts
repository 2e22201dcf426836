// What the page of the entry without download and its Worker say to each other, and what the page was given to begin with.

import type { ToWindow, WindowCommand } from '../protocol/customer-window.ts';
import type { ShareFromWorker, ShareToWorker } from './share-messages.ts';

export interface PublishedKey {
  readonly kid: string;
  readonly spki: string;
}

/** Given to the page once, in the answer to a press; kept in memory and nowhere else. */
export interface Entry {
  /** The session's secret, base64url. */
  readonly guid: string;
  readonly organisation: string;
  /** The appliance's session keys; SPKI (DER), base64url. */
  readonly keys: readonly PublishedKey[];
  /** Its keys for receipts of the recorder. */
  readonly receiptKeys: readonly PublishedKey[];
  /** All gateways; on each this page's own name is good. */
  readonly gateways: readonly { readonly id: string; readonly port: number }[];
}

export type ToWorker =
  | { readonly type: 'open'; readonly entry: Entry; readonly host: string; readonly language: string }
  | { readonly type: 'command'; readonly command: WindowCommand }
  | { readonly type: 'screen'; readonly message: ShareToWorker };

/** `refused`: the way in is not good any more. `unsupported`: this browser lacks the cryptography. */
export type Failure = 'refused' | 'unsupported';

export type FromWorker =
  | { readonly type: 'window'; readonly message: ToWindow }
  | { readonly type: 'failed'; readonly why: Failure }
  | { readonly type: 'screen'; readonly message: ShareFromWorker };
