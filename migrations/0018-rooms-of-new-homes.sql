-- A room that was here before an account came to live here is new to the account's clients, although the person was in it all along.
ALTER TABLE local_memberships
  ADD COLUMN here_pos bigint NOT NULL DEFAULT 0; -- position at which the account's present stay began in the room, as one that lives here
