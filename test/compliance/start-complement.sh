#!/bin/sh
# Starts the server in Complement's container, each time with a new certificate of Complement's authority.
set -eu
umask 077
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$SERVER_NAME" -keyout "$PARTYLINE_TLS_KEY" -out /tmp/request.pem 2>/dev/null
printf 'subjectAltName=DNS:%s,DNS:localhost,IP:127.0.0.1\n' "$SERVER_NAME" >/tmp/extensions
openssl x509 -req -in /tmp/request.pem -CA /complement/ca/ca.crt -CAkey /complement/ca/ca.key -set_serial "0x$(openssl rand -hex 8)" -days 7 \
  -extfile /tmp/extensions -out "$PARTYLINE_TLS_CERT" 2>/dev/null
chown partyline "$PARTYLINE_TLS_CERT" "$PARTYLINE_TLS_KEY"
chmod -R a+rX /complement/ca
export PARTYLINE_SERVER_NAME="$SERVER_NAME"
exec setpriv --reuid partyline --regid partyline --clear-groups --inh-caps=-all partyline serve
