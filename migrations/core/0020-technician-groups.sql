-- 0020 The tree of technician groups (D-01). What a group doesn't set, it inherits from the one above. One group has no
-- parent: the root, named Everyone, made here. What it grants still needs the customer's yes each time.
CREATE TABLE technician_group (
  id               TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 22),
  parent_id        TEXT    REFERENCES technician_group (id),          -- null for the root only
  name             TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
  consent_minutes  INTEGER CHECK (consent_minutes BETWEEN 0 AND 480),  -- null: inherited; 0: until the session ends
  forced_recording INTEGER CHECK (forced_recording IN (0, 1)),
  codes_match      INTEGER CHECK (codes_match IN (0, 1)),
  store_chat       INTEGER CHECK (store_chat IN (0, 1)),
  customer_away    TEXT    CHECK (customer_away IN ('continue', 'view-only', 'end')),
  created_at       INTEGER NOT NULL,                                   -- ms UTC
  CHECK (parent_id IS NOT id)
) STRICT;

CREATE UNIQUE INDEX technician_group_one_root ON technician_group (parent_id IS NULL) WHERE parent_id IS NULL;
CREATE UNIQUE INDEX technician_group_name ON technician_group (parent_id, name) WHERE parent_id IS NOT NULL;

CREATE TABLE group_permission (
  group_id   TEXT NOT NULL REFERENCES technician_group (id) ON DELETE CASCADE,
  permission TEXT NOT NULL,
  setting    TEXT NOT NULL CHECK (setting IN ('grant', 'deny')),       -- no row: inherited
  PRIMARY KEY (group_id, permission)
) STRICT, WITHOUT ROWID;

-- A technician is in one group; one who has no row is in the root.
CREATE TABLE group_member (
  member_id TEXT NOT NULL PRIMARY KEY CHECK (length(member_id) = 22),
  group_id  TEXT NOT NULL REFERENCES technician_group (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_member_by_group ON group_member (group_id);

-- The parts of the tree an admin was given (D-08); a master admin has all of it without a row.
CREATE TABLE admin_part (
  member_id TEXT NOT NULL CHECK (length(member_id) = 22),
  group_id  TEXT NOT NULL REFERENCES technician_group (id) ON DELETE CASCADE,
  PRIMARY KEY (member_id, group_id)
) STRICT, WITHOUT ROWID;

INSERT INTO technician_group (id, parent_id, name, created_at) VALUES ('AAAAAAAAAAAAAAAAAAAAAA', NULL, 'Everyone', 0);
INSERT INTO group_permission (group_id, permission, setting) VALUES
  ('AAAAAAAAAAAAAAAAAAAAAA', 'start-private-sessions', 'grant'),
  ('AAAAAAAAAAAAAAAAAAAAAA', 'launch-desktop-viewing', 'grant'),
  ('AAAAAAAAAAAAAAAAAAAAAA', 'launch-remote-control', 'grant'),
  ('AAAAAAAAAAAAAAAAAAAAAA', 'send-files', 'grant'),
  ('AAAAAAAAAAAAAAAAAAAAAA', 'receive-files', 'grant'),
  ('AAAAAAAAAAAAAAAAAAAAAA', 'send-urls', 'grant'),
  ('AAAAAAAAAAAAAAAAAAAAAA', 'clipboard-synchronisation', 'grant'),
  ('AAAAAAAAAAAAAAAAAAAAAA', 'view-system-information', 'grant'),
  ('AAAAAAAAAAAAAAAAAAAAAA', 'reboot', 'grant'),
  ('AAAAAAAAAAAAAAAAAAAAAA', 'transfer-sessions', 'grant');
