#!/usr/bin/env bash
# Runs every fuzzer for SECONDS (default 60) from its seeds. A crash leaves its input in build-fuzz/crashes/.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
build=build-fuzz
[ -f $build/build.ninja ] || CC=clang-14 meson setup $build -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false
ninja -C $build >/dev/null
mkdir -p $build/crashes
export ASAN_OPTIONS=detect_leaks=1
passed=0 failed=0
run() {
  local name=$1 seeds=tests/fuzz/corpus/${1#fuzz_}
  mkdir -p "$build/corpus/$name"
  [ -d "$seeds" ] || seeds=
  "$build/tests/fuzz/$name" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -print_final_stats=0 -verbosity=0 \
    -artifact_prefix="$build/crashes/$name-" "$build/corpus/$name" $seeds >"$build/crashes/$name.log" 2>&1
}
for program in "$build"/tests/fuzz/fuzz_*; do
  [ -x "$program" ] && [ -f "$program" ] || continue
  name=$(basename "$program")
  if run "$name"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "fuzz: $name failed:"
    tail -n 40 "$build/crashes/$name.log"
  fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
