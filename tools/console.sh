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
cd console
stamp=node_modules/.gantry-installed
if [ ! -f $stamp ] || [ package-lock.json -nt $stamp ]; then
  echo "console: fetching its parts"
  npm ci --no-audit --no-fund --loglevel=error
  touch $stamp
fi
CONSOLE_OUT=$out npm run --silent build
touch "$out/index.html"
