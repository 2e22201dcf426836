-- 0039 Auditors' accounts on the recording share (H-04). The password is Samba's alone.
CREATE TABLE share_account (
  member_id TEXT    NOT NULL PRIMARY KEY CHECK (length(member_id) = 22),
  name      TEXT    NOT NULL UNIQUE,
  made_at   INTEGER NOT NULL            -- ms UTC; of the password that works now
) STRICT, WITHOUT ROWID;
