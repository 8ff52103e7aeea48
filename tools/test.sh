#!/usr/bin/env bash
# Everything that has to pass. Each part prints its own account; the last line counts the parts.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
passed=0 failed=0
part() {
  local name=$1 start=$SECONDS
  shift
  echo "== $name"
  if "$@"; then
    passed=$((passed + 1))
    echo "== $name: ok, $((SECONDS - start)) s"
  else
    failed=$((failed + 1))
    echo "== $name: FAILED, $((SECONDS - start)) s"
  fi
}
part "unit and runtime tests" meson test -C "$build" --print-errorlogs
# Most of the end-to-end tests wait; meanwhile one core builds, quietly, what comes after them. (What fails there fails again below.)
(export NINJAFLAGS=-j1; nice -n 19 tools/sanitize.sh --build; nice -n 19 tools/fuzz.sh --build) >/dev/null 2>&1 &
part "end-to-end tests" tools/e2e.sh "$build"
wait
part "clang and sanitizers" tools/sanitize.sh
part "fuzzers, 5 s each" tools/fuzz.sh 5
part "linters" tools/lint.sh "$build"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
