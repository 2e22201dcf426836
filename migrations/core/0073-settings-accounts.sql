-- 0073 Accounts of the settings (A-05): a realm of its own. They are no members and have none of the portal's roles, so that IT gets in
-- when directory, single sign-on or the portal's own settings are what is broken.
CREATE TABLE settings_account (
  id                  TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 22),
  name                TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 128), -- as folded for login ids
  is_disabled         INTEGER NOT NULL DEFAULT 0 CHECK (is_disabled IN (0, 1)),
  password_hash       TEXT    NOT NULL,
  must_change         INTEGER NOT NULL CHECK (must_change IN (0, 1)),
  two_step_required   INTEGER NOT NULL DEFAULT 0 CHECK (two_step_required IN (0, 1)),
  two_step_secret     TEXT,                       -- base32; null: not enrolled
  two_step_pending    TEXT,                       -- offered, not confirmed yet
  two_step_last       INTEGER NOT NULL DEFAULT 0, -- time step of the last code that was used
  failures            INTEGER NOT NULL DEFAULT 0,
  locks               INTEGER NOT NULL DEFAULT 0,
  locked_until        INTEGER,                    -- ms UTC, as the others
  created_at          INTEGER NOT NULL,
  last_login_at       INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX settings_account_name ON settings_account (name);

CREATE TABLE settings_login (
  id           TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 22),
  account_id   TEXT    NOT NULL REFERENCES settings_account (id) ON DELETE CASCADE,
  token_digest BLOB    NOT NULL CHECK (length(token_digest) = 32),
  stage        TEXT    NOT NULL CHECK (stage IN ('two-step', 'enrol-two-step', 'change-password', 'full')),
  created_at   INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  address      TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX settings_login_token ON settings_login (token_digest);
CREATE INDEX settings_login_account ON settings_login (account_id);

-- A way in made on the machine itself, once: only the newest one is kept.
CREATE TABLE settings_link (
  digest     BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
