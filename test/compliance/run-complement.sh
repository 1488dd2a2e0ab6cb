#!/bin/bash
# Builds the images and runs those tests of Complement that a list names (see README.md):
#   run-complement.sh COMPLEMENT LIST RESULTS.json [options of go test]
# COMPLEMENT is the suite's folder; LIST has suite, file and name of a test per line, tab-separated. A -run among the options narrows the list.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,4s/^# \?//p' "$0"; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
suite=$(cd "$1" && pwd) list=$(realpath "$2") results=$(realpath -m "$3")
shift 3
only=.
options=()
while [ $# -gt 0 ]; do
  if [ "$1" = -run ]; then only=$2; shift; else options+=("$1"); fi
  shift
done

if [ -z "${COMPLEMENT_BASE_IMAGE:-}" ]; then
  export COMPLEMENT_BASE_IMAGE=partyline-complement
  base=$(sed -n 's/^FROM \([^ ]*\) AS build$/\1/p' "$root/docker/Dockerfile")
  docker image inspect "$base" >/dev/null 2>&1 || docker pull -q "$base" >/dev/null 2>&1 || "$root/docker/make-base.sh"
  docker build -q --network host -t partyline -f "$root/docker/Dockerfile" "$root" >/dev/null
  docker build -q -t "$COMPLEMENT_BASE_IMAGE" -f "$root/test/compliance/complement.Dockerfile" "$root/test/compliance" >/dev/null
fi

# One server serves many tests, as the suite allows where a test does not ask for its own.
export COMPLEMENT_ENABLE_DIRTY_RUNS="${COMPLEMENT_ENABLE_DIRTY_RUNS-1}"
cd "$suite"
: >"$results"
# A folder is a package of its own, and a name may stand in several.
awk -F '\t' 'NR > 1 { sub("/[^/]*$", "", $2); print $2 }' "$list" | sort -u | while read -r folder; do
  names=$(awk -F '\t' -v folder="$folder" 'NR > 1 { f = $2; sub("/[^/]*$", "", f); if (f == folder) print $3 }' "$list" | grep -E -- "$only" | paste -sd '|' || true)
  [ -n "$names" ] || continue
  # A test that fails is a result.
  go test -json -count 1 -timeout 60m -run "^($names)\$" ${options[@]+"${options[@]}"} "./$folder" </dev/null >>"$results" || true
  tail -1 "$results"
done
