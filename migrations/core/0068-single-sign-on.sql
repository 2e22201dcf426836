-- 0068 SAML 2.0 single sign-on (C-04): identity providers, whose person there is whose account here, answers that were
-- taken, and which login came from where.
CREATE TABLE saml_idp (
  id        TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 22),
  entity_id TEXT    NOT NULL UNIQUE CHECK (length(entity_id) BETWEEN 1 AND 1024),
  is_on     INTEGER NOT NULL CHECK (is_on IN (0, 1)),
  settings  TEXT    NOT NULL,           -- JSON; shape in identity/saml-idp.ts
  revision  INTEGER NOT NULL DEFAULT 1  -- counts changes: two admins must not overwrite each other unseen
) STRICT, WITHOUT ROWID;

CREATE TABLE saml_link (
  member_id TEXT    NOT NULL PRIMARY KEY REFERENCES member (id) ON DELETE CASCADE,
  idp_id    TEXT    NOT NULL REFERENCES saml_idp (id) ON DELETE CASCADE,
  subject   TEXT    NOT NULL CHECK (length(subject) BETWEEN 1 AND 512),  -- the SSO id: stays when the person is renamed
  is_on     INTEGER NOT NULL DEFAULT 1 CHECK (is_on IN (0, 1)),
  is_only   INTEGER NOT NULL CHECK (is_only IN (0, 1)),  -- made at the first login: there is no password here
  UNIQUE (idp_id, subject)
) STRICT, WITHOUT ROWID;

-- An answer is taken once (SAML profiles 4.1.4.5). Kept until it would be refused for its age.
CREATE TABLE saml_taken (
  digest     BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),  -- SHA-256 of identity provider and id
  good_until INTEGER NOT NULL                                           -- ms UTC
) STRICT, WITHOUT ROWID;
CREATE INDEX saml_taken_by_end ON saml_taken (good_until);

CREATE TABLE saml_login (
  login_id       TEXT NOT NULL PRIMARY KEY REFERENCES login (id) ON DELETE CASCADE,
  idp_id         TEXT NOT NULL REFERENCES saml_idp (id) ON DELETE CASCADE,
  name_id        TEXT NOT NULL,  -- as logout needs it
  name_id_format TEXT NOT NULL,
  session_index  TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX saml_login_by_idp ON saml_login (idp_id);
