// The one error type of the appliance: what kind of refusal it is, a stable code, and what IT can do about it.

const statusOf = {
  malformed: 400,
  unauthenticated: 401,
  refused: 403,
  missing: 404,
  conflict: 409,
  limited: 429,
  unavailable: 503,
  defect: 500,
} as const;

export type ErrorKind = keyof typeof statusOf;

export class ApplianceError extends Error {
  override readonly name = 'ApplianceError';
  /** What the caller can do about it. */
  readonly kind: ErrorKind;
  /** Stable, listed in the admin help: `session.taken`. Match on this, never on the text. */
  readonly code: string;
  /** What IT can do. Neither hint nor message ever holds a secret. */
  readonly hint: string;

  constructor(kind: ErrorKind, code: string, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.code = code;
    this.hint = options.hint ?? '';
  }

  /** HTTP status of the answer that tells a client of this error. */
  get status(): number {
    return statusOf[this.kind];
  }
}

/** A mistake of ours, as opposed to one of a caller or peer. */
export function defect(message: string, cause?: unknown): ApplianceError {
  return new ApplianceError('defect', 'appliance.defect', message, { cause });
}

/** The text of anything thrown, for a log line. */
export function describeError(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
