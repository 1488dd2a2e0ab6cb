-- Tokens with which a further client of somebody may log in: once, for two minutes, at the home that made them.
CREATE TABLE login_tokens (
  token_hash text PRIMARY KEY,       -- SHA-256 of the token, hexadecimal
  user_id text NOT NULL,             -- who logs in with it
  expires_ts bigint NOT NULL         -- milliseconds
);
CREATE INDEX login_tokens_of_user ON login_tokens (user_id);
