-- 0088 An identity provider's groups may give roles, and take them away (C-04 D-08).
-- Whoever gets none any more is disabled by that, and comes back by himself; whom an admin disabled doesn't.
ALTER TABLE saml_link ADD COLUMN is_withdrawn INTEGER NOT NULL DEFAULT 0 CHECK (is_withdrawn IN (0, 1));
