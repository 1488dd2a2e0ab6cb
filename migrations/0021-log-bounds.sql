-- Items of which the log of their account says something else than the account's data may show: what counts is stored first, and
-- brought into the data afterwards, also by a server that died in between.
CREATE TABLE account_op_unsettled (
  user_id text NOT NULL,             -- account
  kind text NOT NULL,                -- as in account_op_items
  op_key text NOT NULL,              -- as in account_op_items
  PRIMARY KEY (user_id, kind, op_key)
);

ALTER TABLE account_ops ADD COLUMN refused text; -- why the account's data here did not take it, for the home that wrote it; null where it did
CREATE INDEX account_ops_refused ON account_ops (user_id) WHERE refused IS NOT NULL;
