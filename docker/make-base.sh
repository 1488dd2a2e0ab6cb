#!/bin/bash
# Makes the base image that docker/Dockerfile names, Debian with Node and npm, where no image can be pulled: by debootstrap, with
# Node and npm of the npm registry, and with the certificate authorities that this machine trusts. Needs root.
set -euo pipefail
cd "$(dirname "$0")/.."
tag=$(sed -n 's/^FROM \([^ ]*\) AS build$/\1/p' docker/Dockerfile)
suite=$(sed -E 's/.*-(.*)-slim/\1/' <<<"$tag")
node_major=$(sed -E 's/node:([0-9]+)-.*/\1/' <<<"$tag")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
debootstrap --variant=minbase --include=ca-certificates "$suite" "$work/root" >"$work/log" || { tail -20 "$work/log" >&2; exit 1; }
cp /etc/ssl/certs/ca-certificates.crt "$work/root/etc/ssl/certs/ca-certificates.crt"
npm install --silent --no-save --ignore-scripts --prefix "$work/npm" "node@$node_major" "node-linux-$(node -p process.arch)@$node_major" npm@11
cp "$work"/npm/node_modules/node-linux-*/bin/node "$work/root/usr/local/bin/node"
mkdir -p "$work/root/usr/local/lib/node_modules"
cp -r "$work/npm/node_modules/npm" "$work/root/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/root/usr/local/bin/npm"
tar -C "$work/root" -c . | docker import -c 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' -c 'CMD ["node"]' - "$tag" >/dev/null
echo "made $tag"
