-- Which server this database belongs to, and which process may write to it (storage/database-lock.ts). One row.
CREATE TABLE database_holder (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only), -- there is one row
  server_name text NOT NULL,         -- the server's name, which is part of the names in it: it cannot be used under another one
  epoch bigint NOT NULL,             -- raised by each process that takes the database; the transactions of one with a lower number end before they write
  holder text NOT NULL,              -- the process that holds it, for people: machine and process id
  since_ts bigint NOT NULL           -- when it took it, milliseconds
);
