// Every route of the portal and who may use it, written down a second time and by hand: a route that is new, and a rule that
// has changed, has to be meant. `matrix.test.ts` asks each of them as everybody.

const helpPages = [
  ...[
    'genuine',
    'first-steps',
    'helping',
    'accounts',
    'groups',
    'channels',
    'two-step',
    'directory',
    'single-sign-on',
    'settings',
  ],
  ...[
    'certificates',
    'programs',
    'backup',
    'log',
    'player',
    'share',
    'posts',
    'retention',
    'erasure',
    'status',
    'errors',
  ],
];
const memberActs = [
  ...['group', 'parts', 'disable', 'enable', 'unlock', 'force-change', 'require-two-step', 'release-two-step'],
  ...['reset-two-step', 'end-logins', 'reset-password'],
];
const sessionSteps = [
  ...['pin', 'pick-up', 'hold', 'resume', 'take-back', 'end', 'offer', 'queue', 'link', 'certify', 'relay'],
  ...['recording-token', 'chat', 'actions', 'codes'],
];

/** Nobody has to be signed in for these; the two that take what an identity provider signed come from elsewhere. */
export const publicRoutes = [
  'GET /ca.crt',
  'GET /favicon.ico',
  ...['GET /', 'GET /pin', 'POST /pin', 'GET /s/:code', 'POST /s/:code/download'],
  ...['GET /c/:link', 'POST /c/:link'],
  ...['POST /s/:code/browser', 'GET /s/:code/browser', 'GET /customer/customer-worker-….js'],
  ...['GET /technician/link-worker-….js', 'GET /technician/zstd-worker-….js', 'GET /technician/console.webmanifest'],
  'GET /auditor/player-worker-….js',
  'GET /help',
  ...helpPages.map(topic => `GET /help/${topic}`),
  ...['GET /sign-in', 'POST /sign-in', 'POST /sign-out'],
  ...['POST /sign-in/passkey/options', 'POST /sign-in/passkey'],
  ...['POST /sign-in/single-sign-on', 'GET /saml/metadata', 'POST /saml/acs', 'POST /saml/logout'],
];
export const fromElsewhere = ['POST /saml/acs', 'POST /saml/logout'];

/** By rule, as the guards name it. */
export const routeTable: Readonly<Record<string, readonly string[]>> = {
  anyone: publicRoutes,
  'two-step': [
    ...['GET /sign-in/two-step', 'POST /sign-in/two-step'],
    ...['POST /sign-in/two-step/passkey/options', 'POST /sign-in/two-step/passkey'],
  ],
  'enrol-two-step': [
    ...['GET /sign-in/enrol', 'POST /sign-in/enrol'],
    ...['POST /sign-in/enrol/passkey/options', 'POST /sign-in/enrol/passkey'],
  ],
  'change-password': ['GET /sign-in/password', 'POST /sign-in/password'],
  'member or change-password': ['POST /account/password/assess'],
  member: [
    ...['GET /account', 'POST /account/logins/:id/end', 'POST /account/logins/end-others'],
    ...['GET /account/password', 'POST /account/password'],
    ...['enrol', 'codes', 'remove'].flatMap(act => [`GET /account/two-step/${act}`, `POST /account/two-step/${act}`]),
    ...['GET /account/confirm', 'POST /account/confirm', 'POST /account/confirm/single-sign-on'],
    ...['POST /account/confirm/passkey/options', 'POST /account/confirm/passkey'],
    ...['GET /account/passkeys', 'POST /account/passkeys/options', 'POST /account/passkeys'],
    ...['POST /account/passkeys/:id/rename', 'POST /account/passkeys/:id/remove'],
  ],
  auditor: ['GET /account/share', 'POST /account/share', 'POST /account/share/remove'],
  'master-admin': [
    ...['GET /admin/members/exchange', 'POST /admin/members/export'],
    ...['POST /admin/members/import', 'POST /admin/members/import/apply'],
    'POST /admin/members/import/passwords',
    ...['GET /admin/password-policy', 'POST /admin/password-policy', 'POST /admin/passkey-policy'],
    ...['GET /admin/directory', 'POST /admin/directory/test', 'POST /admin/directory/preview'],
    'POST /admin/directory/apply',
    ...['GET /admin/single-sign-on', 'POST /admin/single-sign-on', 'POST /admin/single-sign-on/rule'],
    ...['GET /admin/single-sign-on/:id', 'POST /admin/single-sign-on/:id'],
    ...['metadata', 'mapping', 'on', 'off', 'remove'].map(act => `POST /admin/single-sign-on/:id/${act}`),
    ...['GET /admin/members/:id/single-sign-on', 'POST /admin/members/:id/single-sign-on'],
    ...['on', 'off'].map(act => `POST /admin/members/:id/single-sign-on/${act}`),
    ...['GET /admin/addresses', 'GET /admin/addresses/:id', 'POST /admin/addresses/:id'],
    ...['settings', 'certificates', 'backups', 'about'].map(page => `GET /admin/${page}`), // where they went
    ...['GET /admin/posts', 'POST /admin/posts', 'POST /admin/posts/try', 'POST /admin/posts/:id/again'],
    'POST /admin/channels/:id/move',
    'POST /auditor/sessions/:id/erase',
    ...['POST /admin/retention', 'POST /admin/retention/confirm', 'POST /admin/retention/holds'],
    'POST /admin/retention/holds/:id/release',
    ...['POST /admin/status/test-alert', 'POST /admin/status/log-dealt-with'],
  ],
  'master-admin or admin': [
    ...['GET /admin/members', 'POST /admin/members/bulk', 'GET /admin/members/new', 'POST /admin/members/new'],
    ...['GET /admin/members/:id', 'POST /admin/members/:id'],
    ...memberActs.map(act => `POST /admin/members/:id/${act}`),
    ...['GET /admin/members/:id/addresses', 'POST /admin/members/:id/addresses'],
    ...['POST /admin/groups/bulk', 'POST /admin/groups/bulk/apply'],
    ...['GET /admin/groups', 'GET /admin/groups/new', 'POST /admin/groups/new', 'GET /admin/groups/:id'],
    ...['delete', 'name', 'place', 'permissions', 'policy'].map(act => `POST /admin/groups/:id/${act}`),
    ...['GET /admin/channels', 'GET /admin/channels/new', 'POST /admin/channels/new', 'GET /admin/channels/:id'],
    ...['POST /admin/channels/:id', 'POST /admin/channels/:id/link', 'POST /admin/channels/:id/delete'],
    ...['GET /admin/groups/:id/technicians', 'POST /admin/groups/:id/technicians'],
    ...['GET /admin/status', 'GET /admin/status/now'],
  ],
  'master-admin or auditor': [
    'GET /admin/retention',
    ...['GET /admin/audit', 'POST /admin/audit/export', 'POST /admin/audit/export-found'],
    ...['GET /auditor/sessions/:id', 'GET /auditor/sessions/:id/evidence.zip'],
    ...['rcrec', 'avi'].map(form => `GET /auditor/recordings/:id/film.${form}`),
    ...['GET /auditor/recordings/:id/avi', 'POST /auditor/recordings/:id/avi'],
  ],
  'master-admin or admin or auditor': [
    ...['GET /admin/audit/log-head.pub', 'GET /auditor/verify.html', 'GET /auditor/manifest.pub'],
  ],
  technician: [
    'GET /technician',
    ...['GET /technician/api/start', 'GET /technician/api/technicians', 'GET /technician/api/channels'],
    ...['POST /technician/api/status', 'POST /technician/api/here'],
    ...['GET /technician/api/sessions', 'POST /technician/api/sessions', 'GET /technician/api/sessions/:id'],
    ...sessionSteps.map(step => `POST /technician/api/sessions/:id/${step}`),
    ...['GET /technician/api/replies', 'POST /technician/api/replies'],
    ...['PUT /technician/api/replies/:id', 'DELETE /technician/api/replies/:id'],
    'UPGRADE /technician/events',
  ],
};

const accountActs = ['rename', 'reset', 'disable', 'enable', 'remove', 'require-two-step', 'release-two-step'];

/** The settings' realm: another socket, other accounts, none of the roles above. */
export const realmTable: Readonly<Record<string, readonly string[]>> = {
  anyone: [
    ...['GET /', 'GET /ca.crt', 'GET /favicon.ico', 'GET /help', ...helpPages.map(topic => `GET /help/${topic}`)],
    ...['GET /sign-in', 'POST /sign-in', 'POST /sign-out', 'GET /link', 'POST /link', 'POST /link/account'],
  ],
  'two-step': ['GET /sign-in/two-step', 'POST /sign-in/two-step'],
  'enrol-two-step': ['GET /sign-in/enrol', 'POST /sign-in/enrol'],
  'change-password': ['GET /sign-in/password', 'POST /sign-in/password'],
  'settings-account': [
    ...['GET /accounts', 'POST /accounts', 'GET /accounts/:id'],
    ...accountActs.map(act => `POST /accounts/:id/${act}`),
    ...['GET /account', 'GET /account/password', 'POST /account/password'],
    ...['GET /account/two-step', 'POST /account/two-step'],
    ...['GET /account/two-step/remove', 'POST /account/two-step/remove'],
    ...['GET /settings', 'POST /settings', 'GET /settings/file', 'POST /settings/file'],
    ...['mail', 'syslog', 'directory'].flatMap(page => [`GET /${page}`, `POST /${page}`]),
    ...['GET /settings/diagnostics', 'POST /settings/take-back'],
    ...['GET /certificates', 'POST /certificates', 'POST /certificates/request', 'POST /certificates/renew'],
    'POST /certificates/:label/remove',
    ...[
      'GET /backups',
      'POST /backups',
      'POST /backups/:name/check',
      'GET /backups/:name/file',
      'POST /backups/file',
      ...['undo-restore', ':name/restore'].flatMap(one => [`GET /backups/${one}`, `POST /backups/${one}`]),
      'GET /updates',
      'GET /about',
      'GET /about/sbom.json',
    ],
  ],
};

/** Of a route that is named by its content. */
export function plainName(route: string): string {
  return route.replace(/-[A-Za-z0-9_-]{12}\.js$/, '-….js');
}
