-- Devices of accounts that nobody is logged in with: what encrypts for them waits for whoever logs in next (MSC3814).
CREATE TABLE dehydrated_devices (
  user_id text PRIMARY KEY,          -- whose; an account has one at a time
  device_id text NOT NULL,           -- the device in `devices`; when it is gone there, there is none
  device_data text NOT NULL          -- JSON object: the device's private keys, encrypted by the client
);
