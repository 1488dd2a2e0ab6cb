-- What an account's data takes, kept beside it so that a change need not count all of it.
CREATE TABLE account_data_sizes (
  user_id text PRIMARY KEY,          -- account on this server
  bytes bigint NOT NULL,             -- of the contents, types and room ids of its rows in account_data, in UTF-8
  entries bigint NOT NULL            -- number of the rows
);
INSERT INTO account_data_sizes (user_id, bytes, entries)
  SELECT user_id, sum(octet_length(json) + octet_length(type) + octet_length(room_id)), count(*) FROM account_data GROUP BY user_id;

-- Finds what one sender has put into an inbox, which is bounded in bytes.
CREATE INDEX to_device_inbox_sender ON to_device_inbox (user_id, device_id, sender, pos);
