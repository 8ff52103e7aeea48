#!/usr/bin/env bash
# Unit and runtime tests under AddressSanitizer (with leak detection) and UndefinedBehaviorSanitizer, built with clang.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build-sanitize}
[ -f "$build/build.ninja" ] || CC=clang-14 meson setup "$build" -Db_sanitize=address,undefined -Db_lundef=false -Dbuildtype=debugoptimized
ninja -C "$build"
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
meson test -C "$build" --suite unit --print-errorlogs --timeout-multiplier 4
# Strangers' requests against a whole server.
tools/e2e.sh "$build" test_malformed test_errors
