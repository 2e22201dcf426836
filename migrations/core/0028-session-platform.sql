-- 0028 What the applet said it runs on when it claimed the session: shown to the technician, never trusted.
ALTER TABLE support_session ADD COLUMN platform TEXT;
