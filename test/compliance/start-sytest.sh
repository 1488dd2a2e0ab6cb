#!/bin/sh
# Starts one built server in the foreground for SyTest, which describes it in HS_* variables (see README.md).
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)

# Names of a former run would be in use.
psql -q -v ON_ERROR_STOP=1 "$HS_DATABASE_URL" -c 'DROP SCHEMA public CASCADE' -c 'CREATE SCHEMA public'
rm -rf "$HS_DIR/partyline" && mkdir -p "$HS_DIR/partyline"

# A settings file of the working folder must not interfere.
cd "$HS_DIR/partyline"
export DATABASE_URL="$HS_DATABASE_URL"
export PARTYLINE_SERVER_NAME="$HS_SERVER_NAME"
export PARTYLINE_DATA_DIR="$HS_DIR/partyline"
export PARTYLINE_PUBLIC_URL="$HS_PUBLIC_BASEURL"
export PARTYLINE_BIND=127.0.0.1,::1
export PARTYLINE_HTTP_PORT=off
export PARTYLINE_HTTPS_PORT="$HS_HTTPS_PORT"
export PARTYLINE_TLS_CERT="$HS_TLS_CERT"
export PARTYLINE_TLS_KEY="$HS_TLS_KEY"
export PARTYLINE_FEDERATION_CA="$HS_FEDERATION_CA"
export PARTYLINE_ALLOW_PRIVATE_ADDRESSES=on
export PARTYLINE_URL_PREVIEWS=on
# Its web pages have certificates of the same authority as its servers.
export NODE_EXTRA_CA_CERTS="$HS_FEDERATION_CA"
export PARTYLINE_REGISTRATION=open
export PARTYLINE_REGISTRATION_SECRET="$HS_REGISTRATION_SECRET"
export PARTYLINE_DEFAULT_ROOM_VERSION="$HS_DEFAULT_ROOM_VERSION"
export PARTYLINE_RATE_LIMITS=off
export PARTYLINE_PASSWORD_COST=cheap

exec node "$root/bin/partyline.js" serve
