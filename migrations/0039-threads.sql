-- The threads of rooms, by their newest replies. Follows from event_relations.
CREATE TABLE threads (
  room_nid bigint NOT NULL,          -- room
  root_id text NOT NULL,             -- event id of the event with which it begins; it need not be here
  latest_pos bigint NOT NULL,        -- position of its newest reply
  PRIMARY KEY (room_nid, root_id)
);
CREATE INDEX threads_latest ON threads (room_nid, latest_pos);
INSERT INTO threads SELECT room_nid, parent_id, max(pos) FROM event_relations WHERE rel_type = 'm.thread' GROUP BY room_nid, parent_id;

DROP INDEX event_relations_threads;
