// Who may do what (D-01 D-02 D-08): role, the session's state, whose session it is, and the permission as the tree of
// technician groups gives it. [portable] What a customer can be asked for at all is `customer-core/may-ask.ts`, by which the
// applet decides too; his consent comes on top of it and is never decided here.

export const permissions = [
  'launch-remote-control',
  'reboot',
  'launch-desktop-viewing',
  'record-sessions',
  'send-files',
  'receive-files',
  'start-private-sessions',
  'launch-file-manager',
  'request-windows-credentials',
  'send-urls',
  'clipboard-synchronisation',
  'view-system-information',
  'deploy-scripts',
  'single-prompt',
  'transfer-sessions',
  'share-technician-screen',
] as const;
export type Permission = (typeof permissions)[number];

/** In the order a session meets them. */
export const sessionStates = [
  'connecting',
  'waiting',
  'active',
  'on-hold',
  'transferring',
  'rebooting',
  'reconnecting',
  'timed-out',
  'closed',
] as const;
export type SessionState = (typeof sessionStates)[number];

export const roles = ['master-admin', 'admin', 'technician', 'auditor'] as const;
export type Role = (typeof roles)[number];

/** What the console may be used for beside the permissions, on a session or beside one. */
export const sessionActs = [
  'see-session',
  'pick-up',
  'chat',
  'hold',
  'resume',
  'end-session',
  'make-pin',
  'monitor',
  'read-log',
] as const;
export type SessionAct = (typeof sessionActs)[number];
export type Action = Permission | SessionAct;

export type Setting = 'grant' | 'deny';

/** A technician group on the way from the root down. What it doesn't set, it inherits. */
export interface GroupOnPath {
  readonly id: string;
  readonly name: string;
  readonly permissions: Readonly<Partial<Record<Permission, Setting>>>;
}

export interface DecidingActor {
  readonly id: string;
  readonly roles: readonly Role[];
  /** Groups this admin was given; what lies below them is his too. A master admin needs none. */
  readonly adminOf?: readonly string[];
}

export interface Question {
  readonly action: Action;
  readonly actor: DecidingActor;
  /** Technician whose session it is; null where there is no session yet. */
  readonly ownerId: string | null;
  /** Root first: the actor's own group for a permission, the session's group for an act of an admin. */
  readonly groupPath: readonly GroupOnPath[];
  /** Null where there is no session yet. */
  readonly state: SessionState | null;
}

export interface Why {
  readonly by: 'role' | 'state' | 'ownership' | 'permission';
  /** The group that decided, where one did. */
  readonly groupId: string | null;
  /** For people: "denied by Helpdesk › Night shift". */
  readonly text: string;
}

export interface Decision {
  readonly allowed: boolean;
  readonly why: Why;
}

interface Rule {
  readonly roles: readonly Role[];
  /** 'own': the technician's own session; 'part': an admin's part of the tree; 'none': no session is needed. */
  readonly whose: 'own' | 'own-or-part' | 'part' | 'any' | 'none';
  readonly states: readonly SessionState[];
  readonly permission: Permission | null;
}

const live = ['waiting', 'active', 'on-hold', 'transferring', 'rebooting', 'reconnecting'] as const;
const open = ['connecting', ...live] as const;

const within = (permission: Permission, states: readonly SessionState[] = ['active']): Rule => ({
  roles: ['technician'],
  whose: 'own',
  states,
  permission,
});
const act = (whose: Rule['whose'], states: readonly SessionState[], who: readonly Role[] = ['technician']): Rule => ({
  roles: who,
  whose,
  states,
  permission: null,
});

// One row per action; a test walks all of them with every role, state and owner.
const rules: Record<Action, Rule> = {
  'launch-remote-control': within('launch-remote-control'),
  reboot: within('reboot'),
  'launch-desktop-viewing': within('launch-desktop-viewing'),
  'record-sessions': within('record-sessions'),
  'send-files': within('send-files'),
  'receive-files': within('receive-files'),
  'start-private-sessions': { roles: ['technician'], whose: 'none', states: [], permission: 'start-private-sessions' },
  'launch-file-manager': within('launch-file-manager'),
  'request-windows-credentials': within('request-windows-credentials'),
  'send-urls': within('send-urls'),
  'clipboard-synchronisation': within('clipboard-synchronisation'),
  'view-system-information': within('view-system-information'),
  'deploy-scripts': within('deploy-scripts'),
  'single-prompt': within('single-prompt'),
  'transfer-sessions': within('transfer-sessions', ['active', 'on-hold']),
  'share-technician-screen': within('share-technician-screen'),
  'see-session': act('own-or-part', sessionStates, ['technician', 'admin', 'master-admin']),
  'pick-up': act('own', ['waiting', 'transferring']),
  chat: act('own', ['active', 'on-hold', 'reconnecting', 'rebooting']),
  hold: act('own', ['active']),
  resume: act('own', ['on-hold']),
  'end-session': act('own-or-part', open, ['technician', 'admin', 'master-admin']),
  // Whoever may make no sessions (any more) lets nobody into one he has made before, either.
  'make-pin': { ...act('own', ['connecting']), permission: 'start-private-sessions' },
  monitor: act('part', ['active', 'on-hold', 'reconnecting'], ['admin', 'master-admin']),
  'read-log': act('any', sessionStates, ['auditor', 'master-admin']),
};

/** Asks role, state, ownership and permission in turn; the first that says no is the reason. */
export function decide(question: Question): Decision {
  const { action, actor, state } = question;
  const rule = rules[action];
  if (!actor.roles.some(role => rule.roles.includes(role))) {
    return denied('role', null, `only for: ${rule.roles.join(', ')}`);
  }
  if (rule.whose !== 'none') {
    if (state === null) return denied('state', null, 'there is no session');
    if (!rule.states.includes(state)) return denied('state', null, `not while the session is ${state}`);
    if (!isTheirs(rule, question)) return denied('ownership', null, 'the session is not theirs');
  }
  if (rule.permission !== null) return decidePermission(question.groupPath, rule.permission);
  return { allowed: true, why: { by: 'role', groupId: null, text: 'allowed by role' } };
}

/** The nearest group that sets the permission decides; where none does, the answer is no. @param path root first */
export function decidePermission(path: readonly GroupOnPath[], permission: Permission): Decision {
  for (let depth = path.length - 1; depth >= 0; depth--) {
    const group = path[depth];
    const setting = group?.permissions[permission];
    if (group === undefined || setting === undefined) continue;
    const name = pathName(path.slice(0, depth + 1));
    if (setting === 'deny') return denied('permission', group.id, `denied by ${name}`);
    return { allowed: true, why: { by: 'permission', groupId: group.id, text: `granted by ${name}` } };
  }
  return denied('permission', null, 'denied: no group grants it');
}

/** "Helpdesk › Night shift". The root is named only where it stands alone. @param path root first */
export function pathName(path: readonly GroupOnPath[]): string {
  const shown = path.length > 1 ? path.slice(1) : path;
  return shown.map(group => group.name).join(' › ');
}

function isTheirs({ roles: allowed, whose }: Rule, { actor, ownerId, groupPath }: Question): boolean {
  if (whose === 'any') return true;
  const has = (role: Role) => actor.roles.includes(role) && allowed.includes(role);
  const owns = has('technician') && ownerId !== null && ownerId === actor.id;
  if (whose === 'own') return owns;
  const part = actor.adminOf ?? [];
  const administers = has('master-admin') || (has('admin') && groupPath.some(group => part.includes(group.id)));
  return whose === 'part' ? administers : owns || administers;
}

function denied(by: Why['by'], groupId: string | null, text: string): Decision {
  return { allowed: false, why: { by, groupId, text } };
}
