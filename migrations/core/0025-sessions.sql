-- 0025 Support sessions (E-02). Secrets are kept as digests, or sealed under the session's own key, and are gone when the
-- session is over.
CREATE TABLE support_session (
  id             TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 22),
  state          TEXT    NOT NULL CHECK (state IN ('connecting', 'waiting', 'active', 'on-hold', 'transferring',
                                                   'rebooting', 'reconnecting', 'timed-out', 'closed')),
  owner_id       TEXT    NOT NULL CHECK (length(owner_id) = 22),       -- technician whose session it is
  owner_name     TEXT    NOT NULL,
  offered_to     TEXT,                                                  -- technician, while transferring
  group_id       TEXT    NOT NULL,                                      -- of the owner; history stays when a group goes
  language       TEXT,
  customer       BLOB,                                                  -- sealed: what the customer said about himself
  token_hash     BLOB    UNIQUE CHECK (length(token_hash) = 32),        -- SHA-256(T), TRUST: keys; null: no GUID is out
  psk            BLOB,                                                  -- sealed; null when over
  applet_key     TEXT,                                                  -- SPKI of the applet's signing key, base64url
  claimed_at     INTEGER,                                               -- ms UTC; claimed once
  claimed_twice  INTEGER NOT NULL DEFAULT 0 CHECK (claimed_twice IN (0, 1)),
  codes_compared INTEGER NOT NULL DEFAULT 0 CHECK (codes_compared IN (0, 1)),
  present        INTEGER NOT NULL DEFAULT 0 CHECK (present IN (0, 1)),  -- the applet is connected
  link_id        TEXT,                                                  -- of the last handshake; null: no link
  handshake_hash TEXT,
  grants_made    INTEGER NOT NULL DEFAULT 0,
  leases_made    INTEGER NOT NULL DEFAULT 0,
  report_count   INTEGER NOT NULL DEFAULT 0,                            -- of the applet's chained reports
  report_hash    TEXT,
  created_at     INTEGER NOT NULL,
  state_at       INTEGER NOT NULL,
  deadline       INTEGER,                                               -- ms UTC; what then, is session-state.ts
  picked_up_at   INTEGER,
  ended_at       INTEGER,
  end_reason     TEXT
) STRICT;
CREATE INDEX support_session_by_owner ON support_session (owner_id, created_at);
CREATE INDEX support_session_by_state ON support_session (state, created_at);
CREATE INDEX support_session_due      ON support_session (deadline) WHERE deadline IS NOT NULL;

-- Ways in. PIN and link route a customer; they never authenticate one (D-05). What is kept is a digest under a key that
-- is not in the store: a stolen copy gives away no PIN.
CREATE TABLE pin (
  digest     BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),  -- HMAC-SHA-256
  digits     INTEGER NOT NULL,
  session_id TEXT    NOT NULL REFERENCES support_session (id) ON DELETE CASCADE,
  expires_at INTEGER NOT NULL,                                          -- ms UTC
  used_at    INTEGER                                                    -- used once
) STRICT, WITHOUT ROWID;
CREATE INDEX pin_by_session ON pin (session_id);
CREATE INDEX pin_live       ON pin (expires_at) WHERE used_at IS NULL;

-- A link, or what a typed PIN was exchanged for: 16 random bytes.
CREATE TABLE entry_code (
  digest     BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),  -- SHA-256
  session_id TEXT    NOT NULL REFERENCES support_session (id) ON DELETE CASCADE,
  way        TEXT    NOT NULL CHECK (way IN ('link', 'pin')),
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX entry_code_by_session ON entry_code (session_id);

-- One-time tokens of the two legs of a relay (F-04); the row goes when the token is used.
CREATE TABLE leg_token (
  digest     BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),  -- SHA-256
  session_id TEXT    NOT NULL REFERENCES support_session (id) ON DELETE CASCADE,
  role       TEXT    NOT NULL CHECK (role IN ('console', 'applet')),
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX leg_token_by_session ON leg_token (session_id);

-- With it the applet returns after a granted reboot, under a new signing key; used once.
CREATE TABLE restart_ticket (
  digest     BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),  -- SHA-256
  session_id TEXT    NOT NULL REFERENCES support_session (id) ON DELETE CASCADE,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX restart_ticket_by_session ON restart_ticket (session_id);

CREATE TABLE technician_status (
  member_id TEXT    NOT NULL PRIMARY KEY CHECK (length(member_id) = 22),
  status    TEXT    NOT NULL CHECK (status IN ('available', 'busy', 'away')),
  since     INTEGER NOT NULL                                            -- ms UTC
) STRICT, WITHOUT ROWID;
