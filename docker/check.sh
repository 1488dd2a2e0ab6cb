#!/bin/bash
# Builds the container image and starts it as docs/operators.md says: a first start, an account, a login, a stop, another start. Where no
# Docker engine runs, or nothing to build on can be had, it says so and succeeds.
set -euo pipefail
cd "$(dirname "$0")/.."
skip() { echo "image: skipped, $1"; exit 0; }
fail() { echo "image: FAILED, $1"; docker logs "$name" 2>&1 | tail -20; exit 1; }

command -v docker >/dev/null || skip 'docker is not installed'
timeout 10 docker info >/dev/null 2>&1 || skip 'no Docker engine answers'
base=$(sed -n 's/^FROM \([^ ]*\) AS build$/\1/p' docker/Dockerfile)
if ! docker image inspect "$base" >/dev/null 2>&1 && ! timeout 60 docker pull -q "$base" >/dev/null 2>&1; then
  command -v debootstrap >/dev/null && [ "$(id -u)" = 0 ] || skip "$base cannot be pulled, and debootstrap is not there to make it"
  docker/make-base.sh
fi

name=partyline-check-$$
log=$(mktemp)
trap 'docker rm -f -v "$name" >/dev/null 2>&1; docker volume rm "$name" >/dev/null 2>&1; rm -f "$log"' EXIT
# The build reaches the package registries as this machine does.
docker build --network host -t partyline-check -f docker/Dockerfile . >"$log" 2>&1 || { tail -40 "$log"; fail 'it cannot be built'; }

healthy() {
  for _ in $(seq 240); do
    [ "$(docker inspect -f '{{.State.Running}}' "$name")" = true ] || fail 'it ended'
    [ "$(docker exec "$name" node /app/docker/entry/health.js >/dev/null 2>&1 && echo yes)" = yes ] && return
    sleep 0.5
  done
  fail 'it does not answer'
}
login() {
  docker exec "$name" node -e "fetch('http://localhost:8008/_matrix/client/v3/login', { method: 'POST', body: JSON.stringify({ type: 'm.login.password', user: 'alice', password: '$1' }) }).then(({ status }) => process.exit(status === 200 ? 0 : 1))"
}
stop() {
  docker stop -t 30 "$name" >/dev/null
  local status; status=$(docker inspect -f '{{.State.ExitCode}}' "$name")
  [ "$status" = 0 ] || fail "it stopped with status $status"
}

docker run -d --name "$name" --init --shm-size 256m --cap-drop ALL --security-opt no-new-privileges -v "$name:/data" \
  -e PARTYLINE_SERVER_NAME=example.org partyline-check >/dev/null
healthy
docker logs "$name" 2>&1 | grep -q '/setup#' || fail 'it prints no link for the first account'
password=$(docker exec "$name" partyline admin create-user alice | sed -n 's/^password: //p')
login "$password" || fail 'the new account cannot log in'
stop
docker start "$name" >/dev/null
healthy
login "$password" || fail 'it forgot an account when it was started again'
stop
echo 'image: ok'
