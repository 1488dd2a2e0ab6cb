-- One home of an account may lie about its end: its word closes the account at the others, and its key can open it again.
ALTER TABLE accounts ADD COLUMN ended_by text; -- the home at whose word alone the account is closed; null for an end by its record or at this home
