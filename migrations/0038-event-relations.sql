-- Which event relates to which (`m.relates_to`): of all events that have a place in a timeline and are not redacted. Follows from the events.
CREATE TABLE event_relations (
  room_nid bigint NOT NULL,          -- room
  parent_id text NOT NULL,           -- event id that is related to; it need not be here
  pos bigint NOT NULL,               -- position in the timeline of the event that relates
  rel_type text NOT NULL,            -- how it relates
  event_nid bigint NOT NULL,         -- numeric id of the event that relates
  event_id text NOT NULL,            -- its event id, to which others may relate
  sender text NOT NULL,              -- its sender
  type text NOT NULL,                -- its event type
  origin_server_ts bigint NOT NULL,  -- milliseconds, as its sender's server says: of edits the latest counts
  key text,                          -- of an annotation: with what; NULL for others and where it is longer than any reaction
  replaces boolean NOT NULL,         -- whether it may take the place of what it relates to, as far as it says itself
  PRIMARY KEY (room_nid, parent_id, pos)
);
CREATE INDEX event_relations_kinds ON event_relations (room_nid, parent_id, rel_type, sender, pos);
CREATE INDEX event_relations_threads ON event_relations (room_nid, pos) WHERE rel_type = 'm.thread';

-- Content of an event that was stored before. PostgreSQL reads no JSON in which there is the escape of NUL.
CREATE FUNCTION content_of(event_text text) RETURNS json LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN replace(event_text, '\u0000', '\u0020')::json -> 'content';
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END $$;

INSERT INTO event_relations (room_nid, parent_id, pos, rel_type, event_nid, event_id, sender, type, origin_server_ts, key, replaces)
SELECT room_nid, relation ->> 'event_id', pos, relation ->> 'rel_type', event_nid, event_id, sender, type, origin_server_ts,
  CASE WHEN relation ->> 'rel_type' = 'm.annotation' AND json_typeof(relation -> 'key') = 'string' AND octet_length(relation ->> 'key') <= 512 THEN relation ->> 'key' END,
  relation ->> 'rel_type' = 'm.replace' AND state_key IS NULL AND (type = 'm.room.encrypted' OR coalesce(json_typeof(content -> 'm.new_content'), '') = 'object')
FROM (
  SELECT e.*, c.content, c.content -> 'm.relates_to' AS relation
  FROM events e CROSS JOIN LATERAL (SELECT content_of(e.json) AS content) c
  WHERE e.pos IS NOT NULL AND e.status = 0 AND e.redacted_by IS NULL AND e.json LIKE '%"m.relates_to":{%'
    AND json_typeof(c.content) = 'object' AND json_typeof(c.content -> 'm.relates_to') = 'object'
) known
WHERE json_typeof(relation -> 'event_id') = 'string' AND json_typeof(relation -> 'rel_type') = 'string'
  AND relation ->> 'event_id' LIKE '$_%' AND octet_length(relation ->> 'event_id') <= 255 AND octet_length(relation ->> 'rel_type') BETWEEN 1 AND 255
ON CONFLICT DO NOTHING;

DROP FUNCTION content_of(text);
