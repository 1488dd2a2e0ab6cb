#!/bin/sh
# The program inside the image: `docker exec NAME partyline admin create-user alice`.
exec node /app/bin/run-main.js "$@"
