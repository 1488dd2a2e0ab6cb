-- Halves of surrogate pairs ("\ud800") were let in with what clients and other servers sent. Strict parsers refuse everything that one
-- is in, a whole answer of /sync. They are refused now; those that are stored become U+FFFD. These texts were written by a serializer
-- that escapes nothing but lone halves in this way; a backslash that is itself escaped begins no escape. Logs of accounts stay as they
-- were signed: they are mended where they are read.

CREATE FUNCTION well_formed_json(content text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT regexp_replace(content, '(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}', '\1\\ufffd', 'g') $$;

UPDATE account_data SET json = well_formed_json(json) WHERE json LIKE '%\\ud%' AND json <> well_formed_json(json);
UPDATE profiles SET value = well_formed_json(value) WHERE value LIKE '%\\ud%' AND value <> well_formed_json(value);
UPDATE filters SET json = well_formed_json(json) WHERE json LIKE '%\\ud%' AND json <> well_formed_json(json);
UPDATE to_device_inbox SET json = well_formed_json(json) WHERE json LIKE '%\\ud%' AND json <> well_formed_json(json);
UPDATE device_keys SET json = well_formed_json(json) WHERE json LIKE '%\\ud%' AND json <> well_formed_json(json);
UPDATE one_time_keys SET json = well_formed_json(json) WHERE json LIKE '%\\ud%' AND json <> well_formed_json(json);
UPDATE fallback_keys SET json = well_formed_json(json) WHERE json LIKE '%\\ud%' AND json <> well_formed_json(json);
UPDATE cross_signing_keys SET json = well_formed_json(json) WHERE json LIKE '%\\ud%' AND json <> well_formed_json(json);
UPDATE remote_devices SET json = well_formed_json(json) WHERE json LIKE '%\\ud%' AND json <> well_formed_json(json);
UPDATE local_memberships SET stripped_state = well_formed_json(stripped_state) WHERE stripped_state LIKE '%\\ud%' AND stripped_state <> well_formed_json(stripped_state);

DROP FUNCTION well_formed_json(text);

-- A refresh token that was spent and comes again was stolen, by who brings it now or by who brought it before: the session ends. Spent ones
-- are not kept: a token tells its session and its place in the line of that session's tokens.
ALTER TABLE refresh_tokens ADD COLUMN line text; -- base64url of the SHA-256 of the part that all tokens of the session share; NULL for tokens of before
ALTER TABLE refresh_tokens ADD COLUMN place integer NOT NULL DEFAULT 0; -- how many were before it
CREATE INDEX refresh_tokens_line ON refresh_tokens (line);
