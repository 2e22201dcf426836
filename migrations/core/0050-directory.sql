-- 0050 Members of a directory (C-05). The id there stays when a person is renamed, so the account stays the same one.
CREATE TABLE directory_link (
  member_id    TEXT    NOT NULL PRIMARY KEY REFERENCES member (id) ON DELETE CASCADE,
  directory_id TEXT    NOT NULL UNIQUE CHECK (length(directory_id) BETWEEN 1 AND 128),  -- entryUUID, or objectGUID in hex
  is_withdrawn INTEGER NOT NULL DEFAULT 0 CHECK (is_withdrawn IN (0, 1))  -- disabled because the directory gives no role
) STRICT, WITHOUT ROWID;
