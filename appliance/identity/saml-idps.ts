// The identity providers as master admins set them, and the SSO ids of members (C-04). Switching either off ends the logins
// that came by it at once, consoles too.
import { randomBytes } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import { type Actor, type AuditDetail, applianceActor } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { requireSeen } from '../store/seen.ts';
import type { Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { requireMasterAdmin } from './authority.ts';
import type { Act, LoginBook } from './login-book.ts';
import { findMember } from './member-store.ts';
import { type Idp, IdpSettings, parseIdpMetadata } from './saml-idp.ts';
import type { SsoRules } from './saml-rule.ts';
import {
  countLinks,
  deleteIdp,
  deleteLink,
  findIdp,
  findLinkOf,
  insertIdp,
  listIdps,
  listLoginsBy,
  putLink,
  type SamlLink,
  updateIdp,
} from './saml-store.ts';

const MAX_IDPS = 20;
const MAX_LOGGED_ROWS = 20_000; // characters

export interface SamlIdpsOptions {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly book: LoginBook;
  readonly ssoRules: SsoRules;
}

/** What a page shows and carries of a member's SSO id. */
export function seenInLink(link: SamlLink | undefined) {
  return link === undefined ? null : { idpId: link.idpId, subject: link.subject };
}

export class SamlIdps {
  readonly #parts: SamlIdpsOptions;

  constructor(parts: SamlIdpsOptions) {
    this.#parts = parts;
  }

  list(): Promise<Idp[]> {
    return listIdps(this.#parts.store.core.read);
  }

  /** @throws ApplianceError `saml.missing` */
  async get(id: string): Promise<Idp> {
    return required(await findIdp(this.#parts.store.core.read, id));
  }

  memberCount(id: string): Promise<number> {
    return countLinks(this.#parts.store.core.read, id);
  }

  /**
   * A new one, out of its metadata file; it is off until an admin has looked at it.
   * @throws ApplianceError `saml.metadata`, `saml.certificate`, `saml.malformed`, `saml.idp-twice`, `identity.not-allowed`
   */
  async add(actor: Actor, metadata: string, name: string): Promise<Idp> {
    const { store, clock } = this.#parts;
    const { entityId, ...read } = parseIdpMetadata(metadata, clock.now());
    const settings = readSettings({
      ...{ name: name.trim(), ...read, domains: [], mayStart: false, createMembers: false },
      ...{ idAttribute: '', loginIdAttribute: '', nameAttribute: '', roles: ['technician'], groupId: '' },
    });
    const id = randomBytes(16).toString('base64url');
    const idp: Idp = { ...settings, id, entityId, isOn: false, revision: 1 };
    await store.core.transaction(async tx => {
      await requireMasterAdmin(tx, actor);
      if ((await listIdps(tx)).length >= MAX_IDPS) {
        throw new ApplianceError('conflict', 'saml.too-many', `there are ${MAX_IDPS} identity providers already`);
      }
      await unique(insertIdp(tx, idp), 'saml.idp-twice', 'an identity provider with that entity id is there already');
      await this.#tell(tx, actor, 'saml.idp-added', id, { name: idp.name, entityId });
    });
    return idp;
  }

  /**
   * @param change all settings, or a new metadata file; `revision` is what the admin saw
   * @throws ApplianceError `saml.settings`, `saml.domain-twice`, `saml.changed-meanwhile`, `saml.metadata`, …
   */
  async change(
    actor: Actor,
    id: string,
    revision: number,
    change: Partial<IdpSettings> & { metadata?: string },
  ): Promise<Idp> {
    const { metadata, ...given } = change;
    const read = metadata === undefined ? {} : parseIdpMetadata(metadata, this.#parts.clock.now());
    return this.#change(actor, id, async (_act, before) => {
      const { id: _id, entityId, isOn, revision: _now, ...settings } = before;
      const { entityId: next = entityId, ...more } = { entityId, ...read };
      return { ...readSettings({ ...settings, ...given, ...more }), id, entityId: next, isOn, revision };
    });
  }

  /** Off at a flick: whoever came by it is out when this returns. */
  switch(actor: Actor, id: string, isOn: boolean): Promise<Idp> {
    return this.#change(actor, id, async (act, before) => {
      if (!isOn) await this.#endLogins(act, actor, id, null);
      return { ...before, isOn };
    });
  }

  /** Its members stay, without a way in until an admin gives them a password; their logins end. */
  async remove(actor: Actor, id: string): Promise<void> {
    await this.#parts.book.act(async act => {
      await requireMasterAdmin(act.tx, actor);
      const { name, entityId } = required(await findIdp(act.tx, id));
      await this.#endLogins(act, actor, id, null);
      const members = await countLinks(act.tx, id);
      await deleteIdp(act.tx, id);
      await this.#tell(act.tx, actor, 'saml.idp-removed', id, { name, entityId, members });
    });
  }

  linkOf(memberId: string): Promise<SamlLink | undefined> {
    return findLinkOf(this.#parts.store.core.read, memberId);
  }

  /**
   * Gives a member an SSO id, changes it, or takes it away.
   * @param seen `seenOf` what `seenInLink` made of the one the actor saw
   * @throws ApplianceError `saml.link`, `saml.link-twice`, `saml.only-way`, `sso.break-glass`, `identity.not-allowed`,
   *   `changed-meanwhile`
   */
  async setLink(
    actor: Actor,
    memberId: string,
    wish: { idpId: string; subject: string } | null,
    seen?: string,
  ): Promise<void> {
    const subject = wish?.subject.trim() ?? null;
    if (subject === '' || (subject !== null && (subject.length > 512 || /\p{C}/u.test(subject)))) {
      throw new ApplianceError('malformed', 'saml.link', 'an SSO id has 1 to 512 characters');
    }
    await this.#parts.book.act(async act => {
      const before = await this.#linkOf(act, actor, memberId);
      requireSeen(seenInLink(before), seen);
      if (before !== undefined) await this.#endLogins(act, actor, before.idpId, memberId);
      if (wish === null || subject === null) {
        if (before?.isOnly === true) {
          throw new ApplianceError('conflict', 'saml.only-way', 'this member has no password here', {
            hint: 'Switch the SSO id off, or disable the member.',
          });
        }
        await deleteLink(act.tx, memberId);
      } else {
        required(await findIdp(act.tx, wish.idpId));
        const link = {
          memberId,
          idpId: wish.idpId,
          subject,
          isOn: before?.isOn ?? true,
          isOnly: before?.isOnly ?? false,
          isWithdrawn: before?.isWithdrawn ?? false,
        };
        await unique(putLink(act.tx, link), 'saml.link-twice', 'another member has that SSO id');
      }
      await this.#parts.ssoRules.requireWayIn(act.tx);
      const detail = { before: before?.subject ?? null, after: subject };
      await this.#tell(act.tx, actor, 'saml.link-changed', memberId, detail);
    });
  }

  /** Off at a flick: the member's logins by it have ended when this returns. */
  async switchLink(actor: Actor, memberId: string, isOn: boolean): Promise<void> {
    await this.#parts.book.act(async act => {
      const before = required(await this.#linkOf(act, actor, memberId));
      if (!isOn) await this.#endLogins(act, actor, before.idpId, memberId);
      await putLink(act.tx, { ...before, isOn });
      const detail = { before: before.isOn, after: isOn, ssoId: before.subject };
      await this.#tell(act.tx, actor, 'saml.link-switched', memberId, detail);
    });
  }

  async #linkOf({ tx }: Act, actor: Actor, memberId: string): Promise<SamlLink | undefined> {
    await requireMasterAdmin(tx, actor);
    if ((await findMember(tx, memberId)) === undefined) {
      throw new ApplianceError('missing', 'member.missing', 'there is no such member');
    }
    return findLinkOf(tx, memberId);
  }

  #change(actor: Actor, id: string, run: (act: Act, before: Idp) => Promise<Idp>): Promise<Idp> {
    return this.#parts.book.act(async act => {
      const { tx } = act;
      await requireMasterAdmin(tx, actor);
      const before = required(await findIdp(tx, id));
      const after = await run(act, before);
      const others = (await listIdps(tx)).filter(one => one.id !== id).flatMap(({ domains }) => domains);
      if (after.mapping.length > 0 && after.groupsAttribute === '') {
        throw new ApplianceError(
          'malformed',
          'saml.groups-attribute',
          'the attribute that holds the groups has a name',
        );
      }
      const taken = after.domains.find(domain => others.includes(domain));
      if (taken !== undefined) {
        throw new ApplianceError('conflict', 'saml.domain-twice', `${taken} belongs to another identity provider here`);
      }
      const writing = unique(
        updateIdp(tx, after),
        'saml.idp-twice',
        'an identity provider with that entity id is there already',
      );
      if (!(await writing)) {
        throw new ApplianceError('conflict', 'saml.changed-meanwhile', 'another admin has changed it meanwhile', {
          hint: 'Load the page again and look at what it says now.',
        });
      }
      await this.#tell(tx, actor, 'saml.idp-changed', id, { ...differences(before, after), name: after.name });
      return required(await findIdp(tx, id));
    });
  }

  async #endLogins(act: Act, actor: Actor, idpId: string, memberId: string | null): Promise<void> {
    for (const [login] of await listLoginsBy(act.tx, idpId, memberId)) {
      await this.#parts.book.end(act, login, 'single-sign-on-off', actor.kind === 'member' ? actor : applianceActor);
    }
  }

  async #tell(tx: Transaction, actor: Actor, event: string, subject: string, detail: AuditDetail): Promise<void> {
    await this.#parts.audit.append(tx, { event, actor, subject, detail });
  }
}

function readSettings(given: unknown): IdpSettings {
  const result = IdpSettings.safeParse(given);
  if (result.success) return result.data;
  const fields = [...new Set(result.error.issues.map(({ path }) => String(path[0])))].join(', ');
  throw new ApplianceError('malformed', 'saml.settings', `not as it should be: ${fields}`);
}

/** Each setting that changed, `before → after`. */
function differences(before: Idp, after: Idp): AuditDetail {
  const keys = Object.keys(after).filter(key => key !== 'revision') as (keyof Idp)[]; // its own keys
  const text = (idp: Idp, key: keyof Idp) => JSON.stringify(idp[key]);
  const changed = keys.filter(key => text(before, key) !== text(after, key));
  const shown = (key: keyof Idp) =>
    key === 'mapping'
      ? rowChanges(before.mapping, after.mapping)
      : `${text(before, key).slice(0, 500)} → ${text(after, key).slice(0, 500)}`;
  return Object.fromEntries(changed.map(key => [key, shown(key)]));
}

/** Rows of a mapping that went and came; where there are the same in another order, all of them. */
function rowChanges(before: Idp['mapping'], after: Idp['mapping']): string {
  const [from, to] = [before, after].map(rows => rows.map(row => JSON.stringify(row))) as [string[], string[]];
  const gone = from.filter(row => !to.includes(row));
  const come = to.filter(row => !from.includes(row));
  const isOrder = gone.length + come.length === 0;
  return `${(isOrder ? from : gone).join(' ')} → ${(isOrder ? to : come).join(' ')}`.slice(0, MAX_LOGGED_ROWS);
}

async function unique<T>(act: Promise<T>, code: 'saml.idp-twice' | 'saml.link-twice', message: string): Promise<T> {
  try {
    return await act;
  } catch (cause) {
    if (!(cause instanceof ApplianceError && cause.code === 'store.unique')) throw cause;
    throw new ApplianceError('conflict', code, message, { cause });
  }
}

function required<T>(found: T | undefined): T {
  if (found !== undefined) return found;
  throw new ApplianceError('missing', 'saml.missing', 'there is no such identity provider or SSO id');
}
