-- A knock at a room of other servers can be taken back, over a restart too: through the server that took it, and those that were named.
ALTER TABLE local_memberships ADD COLUMN via text[]; -- servers through which the room can be reached; knocks at rooms that are elsewhere only
