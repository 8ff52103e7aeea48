#!/usr/bin/env bash
# Prints the project's figures and ratios. Not a test: nothing fails on a number. Needs root (containers) and a quiet machine.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(readlink -f "${1:-build}")
export GANTRY=$build/gantry GANTRY_BUILD=$build PYTHONPATH=tests/e2e PYTHONDONTWRITEBYTECODE=1
lscpu | sed -n 's/^Model name: */machine: /p'
for program in "$build"/tests/bench/bench_*; do
  [ -f "$program" ] && [ -x "$program" ] || continue
  echo "== $(basename "$program")"
  "$program" || echo "(ended with status $?)"
done
mkdir -p /run/gantry
for script in tests/bench/bench_*.py; do
  echo "== $(basename "$script")"
  unshare --net --mount --pid --fork --kill-child --mount-proc -- sh -c 'ip link set lo up && mount -t tmpfs tmpfs /run/gantry && exec "$@"' sh /usr/bin/python3 "$script" || echo "(ended with status $?)"
done
