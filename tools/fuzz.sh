#!/usr/bin/env bash
# Runs every fuzzer for SECONDS (default 60) from its seeds, as many at once as there are cores. A crash leaves its input in
# build-fuzz/crashes/. `tools/fuzz.sh --build` only builds them.
set -euo pipefail
cd "$(dirname "$0")/.."
export seconds=${1:-60} build=build-fuzz
compiler=clang-14
command -v ccache >/dev/null && compiler="ccache $compiler"
[ -f $build/build.ninja ] || CC=$compiler meson setup $build -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false
programs=(tests/fuzz/fuzz_*.c)
programs=("${programs[@]##*/}")
programs=("${programs[@]%.c}")
ninja -C $build ${NINJAFLAGS:-} "${programs[@]/#/tests/fuzz/}" >/dev/null
[ "$seconds" = --build ] && exit
mkdir -p $build/crashes
rm -f $build/crashes/*.failed
export ASAN_OPTIONS=detect_leaks=1
run() {
  local name=$1 seeds=tests/fuzz/corpus/${1#fuzz_}
  mkdir -p "$build/corpus/$name"
  [ -d "$seeds" ] || seeds=
  "$build/tests/fuzz/$name" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -print_final_stats=0 -verbosity=0 \
    -artifact_prefix="$build/crashes/$name-" "$build/corpus/$name" $seeds >"$build/crashes/$name.log" 2>&1 || touch "$build/crashes/$name.failed"
}
export -f run
printf '%s\n' "${programs[@]}" | xargs -P "$(nproc)" -I{} bash -c 'run {}'
failed=0
for program in "${programs[@]}"; do
  [ -e "$build/crashes/$program.failed" ] || continue
  failed=$((failed + 1))
  echo "fuzz: $program failed:"
  tail -n 40 "$build/crashes/$program.log"
done
echo "$((${#programs[@]} - failed)) passed, $failed failed"
[ $failed = 0 ]
