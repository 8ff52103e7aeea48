#!/usr/bin/env bash
# End-to-end tests: real processes, containers and clients, in network, mount and pid namespaces of their own, so that they
# touch nothing of this machine and leave nothing behind. Needs root. Arguments after the build folder go to unittest; without any,
# every class of tests runs, each by this script in namespaces of its own, GANTRY_E2E_JOBS at once (tests/e2e/run.py).
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(readlink -f "${1:-build}")
shift || true
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "e2e: needs root: containers, namespaces, cgroups" >&2; exit 1; }
  exec sudo --preserve-env=GANTRY_PATIENCE,GANTRY_ROLLOUT_KILLS,GANTRY_NETWORK_KILLS,GANTRY_LOAD_SECONDS,GANTRY_LOAD_RATE,GANTRY_SEED,GANTRY_FARGATE_TASKS,GANTRY_MACHINES,GANTRY_TF_PLUGINS,GANTRY_E2E_JOBS,GANTRY_E2E_SECONDS "$0" "$build" "$@"
fi
export GANTRY=$build/gantry GANTRY_BUILD=$build PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/e2e
python=${GANTRY_PYTHON:-/usr/bin/python3}
# What virtual machines boot needs Debian's mirror, once, and the tests' network has none; without it their tests are skipped.
case "$*" in
'' | *microvm* | *fargate_story* | *groups*)
  tools/microvm-image.sh "$build/microvm" "$build/src/guest/gantry-init" || true
  tools/machine-image.sh "$build/machine-image" "$build/gantry" || true
  ;;
esac
if [ $# = 0 ]; then
  exec "$python" tests/e2e/run.py "$build"
fi
# Process ids repeat across namespaces; the control groups that tests make do not, and others may run at the same time.
export GANTRY_E2E_GROUP=gantry-e2e-$$-$RANDOM
status=0
# The books of what runs, in /run/gantry, are its own, gone with the run however it ends.
mkdir -p /run/gantry
unshare --net --mount --pid --fork --kill-child --mount-proc -- \
  sh -c 'ip link set lo up && mount -t tmpfs tmpfs /run/gantry && exec "$@"' sh "$python" -m unittest -v "$@" &
# `unshare` hears neither SIGTERM nor SIGINT while it waits; all that is inside ends with it.
trap "kill -KILL $! 2>/dev/null" TERM INT HUP
wait $! || status=$?
# The containers went with the namespace; their empty control groups have to be removed by hand.
for controller in /sys/fs/cgroup /sys/fs/cgroup/*; do
  [ -d "$controller/$GANTRY_E2E_GROUP" ] && find "$controller/$GANTRY_E2E_GROUP" -depth -type d -exec rmdir {} + 2>/dev/null || true
done
exit $status
