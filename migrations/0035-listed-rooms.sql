-- The rooms that this server's directory lists, with what it shows of them: made from their state after each change of it.
CREATE TABLE listed_rooms (
  room_nid bigint PRIMARY KEY,       -- room
  room_id text NOT NULL,             -- Matrix room id
  members integer NOT NULL,          -- joined members: the order of the list
  room_type text,                    -- type of m.room.create, e.g. m.space; NULL for none
  search text NOT NULL,              -- name, topic and alias in lower case
  shown text NOT NULL,               -- JSON object as in the list
  pos bigint NOT NULL                -- position in the `events` stream up to which changes are in
);
CREATE INDEX listed_rooms_order ON listed_rooms (members DESC, room_nid DESC);

INSERT INTO listed_rooms (room_nid, room_id, members, search, shown, pos)
SELECT room_nid, room_id, 0, '', '{}', -1 FROM rooms WHERE is_public AND state_nid IS NOT NULL;
ALTER TABLE rooms DROP COLUMN is_public;
