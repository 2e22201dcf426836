-- 0066 A search among members reads all of them (D-08): from an index that holds what it looks at, not from rows of which most
-- is password hashes. With 10,000 members that is a fifth of the pages to decrypt, and they lie in the order they are shown.
CREATE INDEX member_search ON member (login_id, name, is_enabled, locked_until);
