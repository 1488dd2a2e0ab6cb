-- What each transaction writes of its own (storage/commit-marks.ts): where the answer to a COMMIT was lost it says whether that was
-- stored. A ring of places, so that nothing grows, and a backup that takes long (whose snapshot keeps old versions of rows) slows nobody down.
CREATE TABLE commit_marks (
  place integer PRIMARY KEY,         -- used in turn by the transactions of the process that holds the database
  epoch bigint NOT NULL,             -- of that process (database_holder); 0 before the first one
  n bigint NOT NULL                  -- number of the transaction among those of that process
) WITH (fillfactor = 50);

INSERT INTO commit_marks (place, epoch, n) SELECT place, 0, 0 FROM generate_series(0, 4095) AS place;
