-- Where people want to be notified: gateways of their apps, and browsers.
CREATE TABLE pushers (
  user_id text NOT NULL,             -- whom
  app_id text NOT NULL,              -- app, as it calls itself
  pushkey text NOT NULL,             -- device, as the app's gateway knows it; of Web Push the browser's public key
  kind text NOT NULL,                -- 'http' or 'webpush'
  device_id text,                    -- device that set it, and with which it goes; NULL for a session without one
  app_display_name text NOT NULL,    -- for the person
  device_display_name text NOT NULL, -- for the person
  profile_tag text NOT NULL,         -- as the app says
  lang text NOT NULL,                -- as the app says
  data text NOT NULL,                -- JSON object: address, format, and what the gateway is handed
  set_ts bigint NOT NULL,            -- milliseconds, when it was set
  vapid_key text,                    -- of Web Push: private key (URL-safe Base64) that the browser expects signatures of
  is_active boolean NOT NULL DEFAULT true, -- of Web Push: whether the browser has confirmed it (MSC4174)
  ack_token text,                    -- by which it is confirmed, at the home that it was set at
  ack_until bigint,                  -- milliseconds, until when
  attempts integer NOT NULL DEFAULT 0, -- failures in a row, at this home
  due_ts bigint,                     -- milliseconds, when this home has something to send next; NULL when nothing waits
  PRIMARY KEY (user_id, app_id, pushkey)
);
CREATE INDEX pushers_by_key ON pushers (app_id, pushkey);
CREATE INDEX pushers_due ON pushers (due_ts) WHERE due_ts IS NOT NULL;

-- Notifications that wait to be sent.
CREATE TABLE pushes (
  push_nid bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in this order they are sent
  user_id text NOT NULL,             -- pusher
  app_id text NOT NULL,              -- pusher
  pushkey text NOT NULL,             -- pusher
  event_id text NOT NULL,            -- of what
  room_id text NOT NULL,             -- where
  pos bigint,                        -- of the event in the timeline; NULL for an invitation from elsewhere
  thread_id text NOT NULL,           -- thread of the event: its root, or main
  notification text NOT NULL,        -- JSON object: what is told of the event
  tweaks text NOT NULL,              -- JSON object, by the push rules
  made_ts bigint NOT NULL,           -- milliseconds, since when it waits
  due_ts bigint NOT NULL,            -- milliseconds, from when this home sends it, if no other home has
  UNIQUE (user_id, app_id, pushkey, event_id)
);

-- How far events were looked at for whom they notify; one row.
CREATE TABLE push_progress (
  id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1), -- so that there is one row
  pos bigint                         -- position in the `events` stream; NULL before the first start
);
INSERT INTO push_progress (pos) VALUES (NULL);
