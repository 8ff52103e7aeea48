#!/usr/bin/env bash
# End-to-end tests: real processes, containers and clients, in network, mount and pid namespaces of their own, so that they
# touch nothing of this machine and leave nothing behind. Needs root. Arguments after the build folder go to unittest.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(readlink -f "${1:-build}")
shift || true
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "e2e: needs root: containers, namespaces, cgroups" >&2; exit 1; }
  exec sudo --preserve-env=GANTRY_PATIENCE,GANTRY_ROLLOUT_KILLS,GANTRY_NETWORK_KILLS,GANTRY_LOAD_SECONDS,GANTRY_LOAD_RATE,GANTRY_SEED,GANTRY_TF_PLUGINS "$0" "$build" "$@"
fi
export GANTRY=$build/gantry GANTRY_BUILD=$build PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/e2e
python=${GANTRY_PYTHON:-/usr/bin/python3}
if [ $# -gt 0 ]; then
  set -- -v "$@"
else
  set -- discover -v -s tests/e2e -t tests/e2e -p 'test_*.py'
fi
status=0
unshare --net --mount --pid --fork --kill-child --mount-proc -- \
  sh -c 'ip link set lo up && exec "$@"' sh "$python" -m unittest "$@" || status=$?
# The containers went with the namespace; their empty control groups have to be removed by hand.
for controller in /sys/fs/cgroup /sys/fs/cgroup/*; do
  [ -d "$controller/gantry-e2e" ] && find "$controller/gantry-e2e" -depth -type d -exec rmdir {} + 2>/dev/null || true
done
exit $status
