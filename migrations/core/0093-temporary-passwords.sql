-- 0093 A temporary password runs out (C-02): when it was given. Null for one that the member chose himself.
-- The time of those that are about begins with this release, so that nobody is shut out by the update itself.
ALTER TABLE member ADD COLUMN password_given_at INTEGER;  -- ms UTC
UPDATE member SET password_given_at = CAST(unixepoch('subsec') * 1000 AS INTEGER) WHERE password_changed_at IS NULL;
