-- 0092 Parts of the tree go with the role of an admin (D-08): those of who is none any more go now, or they would be his
-- again with the role.
DELETE FROM admin_part WHERE member_id NOT IN (SELECT member_id FROM member_role WHERE role = 'admin');
