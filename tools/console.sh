#!/usr/bin/env bash
# Builds the web console into BUILD/console, where the server finds it. Does nothing when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(readlink -f "${1:-build}")/console
if ! command -v npm >/dev/null; then
  echo "console: npm is missing: the server will run without its console (make setup installs it)" >&2
  exit 0
fi
sources=(console/package.json console/package-lock.json console/index.html console/vite.config.ts console/tsconfig.json console/public console/src console/tools)
if [ -f "$out/index.html" ] && [ -z "$(find "${sources[@]}" -newer "$out/index.html" -type f -print -quit)" ]; then
  exit 0
fi
# Runs COMMAND, and says every five seconds that it still runs: `with_progress WORDS COMMAND…`.
with_progress() {
  local words=$1 start=$SECONDS status=0
  shift
  echo "console: $words"
  "$@" &
  local child=$!
  while sleep 5 >/dev/null 2>&1 && kill -0 $child 2>/dev/null; do echo "console: $words, $((SECONDS - start)) s"; done &
  local ticker=$!
  wait $child || status=$?
  kill $ticker 2>/dev/null || true
  wait $ticker 2>/dev/null || true
  return $status
}

cd console
stamp=node_modules/.gantry-installed
if [ ! -f $stamp ] || [ package-lock.json -nt $stamp ]; then
  if ! with_progress "fetching its parts" npm ci --no-audit --no-fund --loglevel=error; then
    echo "console: npm could not fetch the parts (see above). With a way to the npm registry \`make console\` goes on here." >&2
    [ "${CONSOLE:-}" = optional ] || exit 1
    echo "console: the server runs without it until then" >&2
    exit 0
  fi
  touch $stamp
fi
CONSOLE_OUT=$out with_progress "building it" npm run --silent build
touch "$out/index.html"
