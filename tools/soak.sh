#!/usr/bin/env bash
# Random histories of the simulator for SECONDS (600), from a seed that no run had before. A failing one is shrunk and printed.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build} seconds=${2:-600} batch=20000
seed=$(($(date +%s) * 100000)) end=$((SECONDS + seconds)) n=0
while [ $SECONDS -lt $end ]; do
  "$build/tests/sim/sim_histories" $seed $batch || { echo "soak: failed after $n histories"; exit 1; }
  seed=$((seed + batch)) n=$((n + batch))
done
echo "soak: $n histories in $SECONDS s, no invariant broken"
