#!/usr/bin/env bash
# Unit tests, and strangers' requests against a whole server, under AddressSanitizer (with leak detection) and
# UndefinedBehaviorSanitizer, built with clang. `tools/sanitize.sh --build` only builds.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build-sanitize
compiler=clang-14
command -v ccache >/dev/null && compiler="ccache $compiler"
[ -f "$build/build.ninja" ] || CC=$compiler meson setup "$build" -Db_sanitize=address,undefined -Db_lundef=false -Dbuildtype=debugoptimized
ninja -C "$build" ${NINJAFLAGS:-}
[ "${1:-}" = --build ] && exit
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
meson test -C "$build" --suite unit --print-errorlogs --timeout-multiplier 4
tools/e2e.sh "$build" test_malformed test_errors
