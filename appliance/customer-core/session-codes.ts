// What was said about the short string on the link there is (B-04), and what may be asked for because of it. The appliance
// says when both people have called the codes the same; that counts only after the customer himself has said so here.
import type { Link } from '../link/link.ts';
import type { FromApplet } from '../protocol/applet-leg.ts';
import { type Bytes, equalBytes } from '../protocol/bytes.ts';
import type { HostEvent, HostLine } from './host-log.ts';
import type { SessionRights } from './session-rights.ts';
import type { WindowModel } from './window-model.ts';

export interface SessionCodesOptions {
  readonly rights: () => SessionRights;
  readonly view: WindowModel;
  readonly link: () => Link | null;
  readonly tell: (message: FromApplet) => void;
  readonly log: (event: HostEvent, about: Partial<HostLine>) => void;
}

export class SessionCodes {
  readonly #options: SessionCodesOptions;
  #said: boolean | null = null;

  constructor(options: SessionCodesOptions) {
    this.#options = options;
  }

  /** Why nothing but chat is possible because of them; null when they are no reason. */
  get whyNot(): 'codes-differ' | 'codes-needed' | null {
    if (this.#said === false) return 'codes-differ';
    const { isClaimedTwice, areCodesCompared } = this.#options.rights();
    return isClaimedTwice && !areCodesCompared ? 'codes-needed' : null;
  }

  /** A new link has new codes. */
  linkStarted(): void {
    this.#said = null;
    const { isClaimedTwice, narrowing } = this.#options.rights();
    if (isClaimedTwice) this.#options.view.notice('claimed-twice');
    if (narrowing.codesMatch) this.#options.view.notice('codes-needed');
  }

  /** The customer has compared them. @returns false when there is nothing to compare */
  say(match: boolean): boolean {
    const { rights, view, log, link } = this.#options;
    const live = link();
    if (live === null) return false;
    if (!match) rights().codesDiffer();
    this.#said = match;
    view.update({ shortString: { text: live.shortString, state: match ? 'match' : 'differ' } });
    this.repeat();
    log('codes-compared', { detail: match ? 'match' : 'differ' });
    return true;
  }

  /** Tells the appliance, or tells it again. */
  repeat(): void {
    const link = this.#options.link();
    if (link !== null && this.#said !== null) this.#options.tell({ type: 'codes', linkId: link.id, match: this.#said });
  }

  /** The appliance: both have said that they are the same. @returns false when that can't be */
  compared(linkId: Bytes): boolean {
    const link = this.#options.link();
    if (link === null || !equalBytes(link.id, linkId) || this.#said !== true) return false;
    this.#options.rights().codesCompared();
    this.#options.view.clearNotice('codes-needed', 'claimed-twice');
    return true;
  }

  /** Somebody else holds what should be this customer's alone: chat only, until the codes were compared. */
  claimedTwice(): void {
    const { rights, view, log } = this.#options;
    if (rights().isClaimedTwice) return;
    view.notice('claimed-twice');
    rights().claimedTwice();
    log('claimed-twice', {});
  }
}
