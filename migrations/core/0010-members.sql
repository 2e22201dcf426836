-- 0010 Members, their passwords and second step, their logins (C-01 C-02 C-03 C-07 C-08 D-08).
CREATE TABLE member (
  id                  TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 22),
  login_id            TEXT    NOT NULL UNIQUE CHECK (length(login_id) BETWEEN 1 AND 128),  -- folded
  name                TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
  is_enabled          INTEGER NOT NULL DEFAULT 1 CHECK (is_enabled IN (0, 1)),
  password_hash       TEXT    NOT NULL CHECK (password_hash LIKE '$scrypt$%'),
  must_change         INTEGER NOT NULL CHECK (must_change IN (0, 1)),
  password_changed_at INTEGER,              -- ms UTC; null before the member chose one himself
  failures            INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),   -- in a row, since the last lock or success
  locks               INTEGER NOT NULL DEFAULT 0 CHECK (locks >= 0),      -- in a row; each lasts twice as long
  locked_until        INTEGER,              -- ms UTC
  two_step_required   INTEGER NOT NULL DEFAULT 0 CHECK (two_step_required IN (0, 1)),
  two_step_secret     TEXT,                 -- base32; null when not enrolled
  two_step_pending    TEXT,                 -- base32; offered, not yet confirmed by a code
  two_step_last       INTEGER NOT NULL DEFAULT 0,                         -- last time step accepted (RFC 6238 §5.2)
  last_login_at       INTEGER,              -- ms UTC
  created_at          INTEGER NOT NULL      -- ms UTC
) STRICT, WITHOUT ROWID;

CREATE TABLE member_role (
  member_id TEXT NOT NULL REFERENCES member (id) ON DELETE CASCADE,
  role      TEXT NOT NULL CHECK (role IN ('master-admin', 'admin', 'technician', 'auditor')),
  PRIMARY KEY (member_id, role)
) STRICT, WITHOUT ROWID;

-- Former passwords, so that they don't come back.
CREATE TABLE password_history (
  id            INTEGER PRIMARY KEY,
  member_id     TEXT    NOT NULL REFERENCES member (id) ON DELETE CASCADE,
  password_hash TEXT    NOT NULL,
  replaced_at   INTEGER NOT NULL            -- ms UTC
) STRICT;
CREATE INDEX password_history_member ON password_history (member_id, id);

-- A recovery code is 80 random bits, so SHA-256 is enough: there is nothing to guess that a slow hash would slow down.
CREATE TABLE recovery_code (
  member_id TEXT    NOT NULL REFERENCES member (id) ON DELETE CASCADE,
  digest    BLOB    NOT NULL CHECK (length(digest) = 32),
  used_at   INTEGER,                        -- ms UTC; null until used, used once
  PRIMARY KEY (member_id, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE login (
  id           TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 22),
  token_digest BLOB    NOT NULL UNIQUE CHECK (length(token_digest) = 32),   -- SHA-256; the token itself is nowhere
  member_id    TEXT    NOT NULL REFERENCES member (id) ON DELETE CASCADE,
  stage        TEXT    NOT NULL CHECK (stage IN ('two-step', 'enrol-two-step', 'change-password', 'full')),
  created_at   INTEGER NOT NULL,            -- ms UTC
  last_seen_at INTEGER NOT NULL,            -- ms UTC
  address      TEXT    NOT NULL,
  user_agent   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX login_member ON login (member_id);
CREATE INDEX login_last_seen ON login (last_seen_at);
