// Which field of the form for a new password an error is about.
export const CHANGE_FAULTS = {
  'password.not-changed': 'current',
  'password.unacceptable': 'next',
  'password.used-before': 'next',
} as const;
