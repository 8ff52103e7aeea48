#!/usr/bin/env bash
# Formatter, layers, lengths, cppcheck, clang-tidy. Each says what it found; nothing is rewritten.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
failed=0
check() {
  local name=$1
  shift
  if ! output=$("$@" 2>&1); then
    printf 'lint: %s:\n%s\n' "$name" "$output" | head -n 60
    failed=1
  fi
}
check "clang-format (make format mends it)" bash -c "git ls-files -c -o --exclude-standard '*.c' '*.h' | xargs clang-format-14 --dry-run -Werror"
check "layers" tools/check-layers.py
check "lengths" tools/check-lengths.py
check "cppcheck" bash -c "git ls-files -c -o --exclude-standard 'src/*.c' | xargs cppcheck -q -j2 --std=c11 --enable=warning,performance,portability \
  --inline-suppr --suppressions-list=tools/cppcheck-suppressions.txt --error-exitcode=1 -D__GNUC__=12 -Isrc -I$build --suppress=missingInclude"
if [ "${LINT_TIDY:-yes}" = yes ]; then
  check "clang-tidy" bash -c "git ls-files -c -o --exclude-standard 'src/*.c' | xargs -P2 -n4 clang-tidy-14 -p $build --quiet"
fi
[ $failed = 0 ] && echo "lint: clean"
exit $failed
