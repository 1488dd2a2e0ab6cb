-- Accounts whose new name or picture is still to be shown in their rooms: written with the profile, so that it follows from what is stored.
CREATE TABLE profile_tellings (
  user_id text PRIMARY KEY,          -- whose
  changes bigint NOT NULL            -- how many changes there were; the row goes when as many were shown
);
