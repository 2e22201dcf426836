-- 0058 Where members may come from (C-06). No row: from anywhere. Each list on the way narrows: the member's own, and for a
-- technician that of his group and of every group above it.
CREATE TABLE member_allowed_range (
  member_id TEXT NOT NULL REFERENCES member (id) ON DELETE CASCADE,
  range     TEXT NOT NULL CHECK (length(range) BETWEEN 2 AND 43),  -- canonical: 192.0.2.0/24, 2001:db8::/32, 192.0.2.1
  PRIMARY KEY (member_id, range)
) STRICT, WITHOUT ROWID;

CREATE TABLE group_allowed_range (
  group_id TEXT NOT NULL REFERENCES technician_group (id) ON DELETE CASCADE,
  range    TEXT NOT NULL CHECK (length(range) BETWEEN 2 AND 43),
  PRIMARY KEY (group_id, range)
) STRICT, WITHOUT ROWID;

ALTER TABLE leg_token ADD COLUMN login_id TEXT;  -- login whose console asked for the pair: its address is looked at when it attaches
