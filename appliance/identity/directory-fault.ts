// Why the directory gave no answer, in words an admin can act on.

export class DirectoryFault extends Error {
  override readonly name = 'DirectoryFault';
  /** `directory.…`, listed in the help. */
  readonly code: string;
  /** Whether another server could do better. */
  readonly isOfServer: boolean;

  constructor(
    code: string,
    message: string,
    { isOfServer = true, cause }: { isOfServer?: boolean; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.isOfServer = isOfServer;
  }
}

const RESULTS: Readonly<Record<number, string>> = {
  ...{
    1: 'operations error',
    2: 'protocol error',
    3: 'its time limit',
    4: 'its size limit',
    7: 'no such way to sign in',
  },
  ...{ 8: 'stronger authentication needed', 10: 'a referral, which is not followed', 11: 'its own limit for admins' },
  ...{ 13: 'confidentiality needed', 19: 'a rule of its own', 32: 'no such entry', 34: 'that name is no name' },
  ...{ 48: 'that account may not sign in', 49: 'wrong name or password', 50: 'not enough rights', 51: 'it is busy' },
  ...{ 52: 'it is not available', 53: 'it does not want to', 80: 'an error of its own' },
};

const TEXTS: readonly (readonly [RegExp, string, string])[] = [
  [
    /ENOTFOUND|EAI_/,
    'directory.no-name',
    'its name is not known; is it spelled right, does this machine ask the right DNS?',
  ],
  [/ECONNREFUSED/, 'directory.not-there', 'nobody listens there; is the port right, does a firewall refuse?'],
  [/EHOSTUNREACH|ENETUNREACH|ETIMEDOUT/, 'directory.not-there', 'it can’t be reached from here'],
  [/CERT_HAS_EXPIRED|NOT_YET_VALID/, 'directory.certificate', 'its certificate has run out or does not hold yet'],
  [/ALTNAME/, 'directory.certificate', 'its certificate is for another name; use the name that stands in it'],
  [
    /SELF_SIGNED|VERIFY|ISSUER|UNTRUSTED|CERT_/,
    'directory.certificate',
    'its certificate is from an authority that is not trusted; name its authority under `authorities`',
  ],
  [/ERR_SSL|EPROTO|TLS/, 'directory.tls', 'it does not speak TLS as strong as is needed here (AES-256-GCM)'],
  [/ECONNRESET|EPIPE|ECONNABORTED|closed|socket/i, 'directory.ended', 'it ended the connection'],
];

/** The fault behind anything thrown while a server was asked. */
export function explainFault(thrown: unknown): DirectoryFault {
  if (thrown instanceof DirectoryFault) return thrown;
  const code = (thrown as { code?: unknown } | null)?.code;
  if (typeof code === 'number') {
    const why = RESULTS[code] ?? 'a result that is not known';
    return new DirectoryFault('directory.refused', `it answered with result ${code}: ${why}`, { cause: thrown });
  }
  const text = `${typeof code === 'string' ? code : ''} ${thrown instanceof Error ? thrown.message : ''}`;
  for (const [pattern, faultCode, message] of TEXTS) {
    if (pattern.test(text)) return new DirectoryFault(faultCode, message, { cause: thrown });
  }
  return new DirectoryFault('directory.garbled', 'it answered something that is not LDAP', { cause: thrown });
}
