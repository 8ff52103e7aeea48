#!/usr/bin/env bash
# Installs every package that building, running and testing Gantry needs, on Debian 12. Does nothing when all are there.
#
#   tools/setup.sh            install what is missing (asks sudo if you are not root)
#   tools/setup.sh --list     only print the names
set -euo pipefail

packages=(
  # The build. meson runs on Debian's python3, which also makes the tables from api/*.idl.
  gcc libc6-dev make meson ninja-build pkg-config python3
  libuv1-dev               # event loop
  libhttp-parser-dev       # HTTP/1.1
  libwslay-dev             # websocket frames
  libssl-dev               # TLS, hashes
  libcurl4-openssl-dev     # calls to other servers
  libsqlite3-dev           # the store
  libarchive-dev           # layers of images
  libseccomp-dev           # names of system calls in container profiles
  libnl-route-3-dev        # network interfaces, addresses, routes
  libnftables-dev          # published ports

  # What a node runs.
  crun conmon skopeo
  e2fsprogs                # file systems of Fargate tasks' disks
  lxcfs                    # shows a sandbox its own size in /proc
  catatonit                # init of containers that ask for one, and the pause process
  nftables iproute2        # not called by the program; for the people who look after it, and its tests
  tzdata                   # scheduled actions in time zones
  ca-certificates          # registries
  qemu-system-x86          # micro-VMs of Fargate tasks, machines of Auto Scaling groups
  cpio kmod lz4            # their initial file systems, and a kernel that is unpacked once
  erofs-utils              # images as disks of theirs
  haproxy                  # carries the traffic of load balancers; Gantry starts it itself

  # `make run`: an image from nothing but busybox, the ordinary client, the first request.
  busybox-static awscli curl

  # `make test`.
  libcmocka-dev            # unit tests
  libjansson-dev           # a second opinion on JSON
  clang-14 libclang-rt-14-dev clang-format-14 clang-tidy-14 cppcheck
  git                      # says which files are the project's
  python3-boto3            # the end-to-end tests' client
  docker-registry          # a registry on loopback
  openssl procps           # certificates for listeners, processes of a proxy
  wrk                      # load on a balancer while tasks come and go; `make bench` uses it, too

  # The web console: built with npm, tried in a browser.
  nodejs npm
  chromium fonts-liberation
)

if [ "${1:-}" = --list ]; then
  printf '%s\n' "${packages[@]}"
  exit 0
fi
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "setup: this is not Debian: install what corresponds to the packages of \`tools/setup.sh --list\`" >&2
  exit 0
fi

installed=$(dpkg-query -W -f '${Package} ${Status}\n' "${packages[@]}" 2>/dev/null | sed -n 's/ install ok installed$//p' || true)
# Node.js of another origin brings its own npm, with which Debian's does not go.
! command -v npm >/dev/null || installed+=$'\nnodejs\nnpm'
missing=()
for package in "${packages[@]}"; do
  grep -qx "$package" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "setup: packages are missing (${missing[*]}): run this as root" >&2; exit 1; }
  as_root=(sudo)
fi
echo "setup: installing ${missing[*]}"

# docker-registry and haproxy would start a service on this machine, now and whenever it boots; the tests start their own.
policy=/usr/sbin/policy-rc.d
made_policy=
remove_policy() { [ -z "$made_policy" ] || "${as_root[@]}" rm -f $policy; }
trap remove_policy EXIT
if [ ! -e $policy ]; then
  made_policy=yes
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
  "${as_root[@]}" chmod +x $policy
fi
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
"${apt[@]}" update
"${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null
case " ${missing[*]} " in
*" docker-registry "*) "${as_root[@]}" update-rc.d docker-registry disable ;;
esac
case " ${missing[*]} " in
*" haproxy "*) "${as_root[@]}" update-rc.d haproxy disable ;;
esac
echo "setup: done"
