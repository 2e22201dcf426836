-- 0056 Passkeys and security keys of members (C-03). Only public keys stand here: a stolen copy of the store signs in nobody.
CREATE TABLE passkey (
  id            TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 22),  -- ours, in addresses and in the log
  credential_id BLOB    NOT NULL UNIQUE CHECK (length(credential_id) BETWEEN 1 AND 1023),  -- WebAuthn §4; one member's only
  member_id     TEXT    NOT NULL REFERENCES member (id) ON DELETE CASCADE,
  rp_id         TEXT    NOT NULL CHECK (length(rp_id) BETWEEN 1 AND 253),  -- name of the appliance it was made for
  name          TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
  public_key    BLOB    NOT NULL CHECK (length(public_key) BETWEEN 1 AND 2048),  -- COSE_Key, RFC 9052 §7
  counter       INTEGER NOT NULL CHECK (counter BETWEEN 0 AND 4294967295),  -- signatures made, as it last said; 0 where it doesn't count
  transports    TEXT    NOT NULL,             -- how a browser reaches it, as it said; a hint
  created_at    INTEGER NOT NULL,             -- ms UTC
  last_used_at  INTEGER                       -- ms UTC; null before the first time
) STRICT, WITHOUT ROWID;
CREATE INDEX passkey_member ON passkey (member_id);
