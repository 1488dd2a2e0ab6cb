-- The words of messages, names and topics, to be found by. What is written here follows the events in the background (search/search-indexer.ts).
CREATE TABLE search_index (
  event_nid bigint PRIMARY KEY,      -- event whose text it is
  room_nid bigint NOT NULL,          -- its room
  ts bigint NOT NULL,                -- its origin_server_ts
  sender text NOT NULL,              -- its sender
  key smallint NOT NULL,             -- which text: 1 content.body, 2 content.name, 3 content.topic
  replaces text,                     -- an edit: id of the event whose text it replaces
  shown_nid bigint,                  -- event that is shown when the text is found: itself, or what it replaces; NULL for a text that another one replaces
  words tsvector NOT NULL            -- words of the text, in the language of search_progress
);
CREATE INDEX search_index_words ON search_index USING gin (words);
CREATE INDEX search_index_rooms ON search_index (room_nid, ts, event_nid);
CREATE INDEX search_index_recent ON search_index (ts, event_nid);
CREATE INDEX search_index_edits ON search_index (replaces) WHERE replaces IS NOT NULL;

-- Stretches of timelines that are to be indexed yet: history that was fetched, and what came while the server was not running.
CREATE TABLE search_stretches (
  stretch_nid bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- order in which they are taken
  room_nid bigint NOT NULL,          -- room
  after_pos bigint NOT NULL,         -- indexed up to this position of its timeline
  up_to_pos bigint NOT NULL          -- last position
);

-- How far the index follows the rooms; one row.
CREATE TABLE search_progress (
  id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1), -- so that there is one row
  pos bigint NOT NULL,               -- position in the `events` stream up to which everything is indexed or in search_stretches
  language text NOT NULL             -- text search configuration of the index; where the setting is another one all is indexed anew
);
INSERT INTO search_progress (pos, language) VALUES (0, '');

-- Some texts in which something is found: all where there are fewer than `most`. Always by the index of words, since nobody knows beforehand how
-- many there are, and a plan for many would read all texts in search of few.
CREATE FUNCTION search_index_matches(language regconfig, term text, rooms bigint[], keys smallint[], senders text[], most integer)
RETURNS TABLE (event_nid bigint, shown_nid bigint, room_nid bigint, ts bigint, rank real)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan SET enable_seqscan = off SET enable_indexscan = off AS $$
DECLARE query tsquery := websearch_to_tsquery(language, term);
BEGIN
  RETURN QUERY SELECT i.event_nid, i.shown_nid, i.room_nid, i.ts, ts_rank(i.words, query) FROM search_index i
    WHERE i.words @@ query AND i.room_nid = ANY (rooms) AND i.shown_nid IS NOT NULL AND i.key = ANY (keys) AND (senders IS NULL OR i.sender = ANY (senders))
    LIMIT most;
END $$;

-- Those among the `span` newest texts older than a place, newest first: for what is found in many. The last row is the last text that was looked
-- at, with a `shown_nid` of NULL, when there may be more beyond it.
CREATE FUNCTION search_index_newest(language regconfig, term text, rooms bigint[], keys smallint[], senders text[], most integer, span integer, before_ts bigint, before_nid bigint)
RETURNS TABLE (event_nid bigint, shown_nid bigint, room_nid bigint, ts bigint, rank real)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  query tsquery := websearch_to_tsquery(language, term);
  one record;
  looked integer := 0;
  found_ones integer := 0;
BEGIN
  FOR one IN SELECT i.* FROM search_index i
    WHERE (i.ts, i.event_nid) < (before_ts, before_nid) AND i.room_nid = ANY (rooms) ORDER BY i.ts DESC, i.event_nid DESC LIMIT span
  LOOP
    looked := looked + 1;
    IF one.words @@ query AND one.shown_nid IS NOT NULL AND one.key = ANY (keys) AND (senders IS NULL OR one.sender = ANY (senders)) THEN
      found_ones := found_ones + 1;
      RETURN QUERY SELECT one.event_nid, one.shown_nid, one.room_nid, one.ts, ts_rank(one.words, query);
    END IF;
    IF looked = span OR found_ones = most THEN
      RETURN QUERY SELECT one.event_nid, NULL::bigint, one.room_nid, one.ts, 0::real;
      RETURN;
    END IF;
  END LOOP;
END $$;
