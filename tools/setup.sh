#!/usr/bin/env bash
# Installs the packages that Gantry needs, on Debian 12. Does nothing when all are there.
#
#   tools/setup.sh            what building and running needs (asks sudo if you are not root)
#   tools/setup.sh --tests    what `make test` needs, too
#   tools/setup.sh --list     only print the names of all
set -euo pipefail

packages=(
  # The build. meson runs on Debian's python3, which also makes the tables from api/*.idl.
  gcc libc6-dev make meson ninja-build pkg-config python3
  dpkg-dev                 # which packages a package needs (`make package`)
  libuv1-dev               # event loop
  libhttp-parser-dev       # HTTP/1.1
  libwslay-dev             # websocket frames
  libssl-dev               # TLS, hashes
  libcurl4-openssl-dev     # calls through a proxy
  libsqlite3-dev           # the store
  libarchive-dev           # layers of images
  libseccomp-dev           # names of system calls in container profiles
  libnl-route-3-dev        # network interfaces, addresses, routes
  libnftables-dev          # published ports
  libcmocka-dev            # unit tests, which are built with the program
  libjansson-dev           # a second opinion on JSON, in them

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
  unbound                  # answers names of private namespaces to tasks; Gantry starts it itself

  # `make run`: an image from nothing but busybox, the ordinary client, the first request.
  busybox-static awscli curl

  # The web console is built with it.
  nodejs npm
)
# `make test`, `make bench` and the other targets for those who work on the program.
test_packages=(
  clang-14 libclang-rt-14-dev clang-format-14 clang-tidy-14 cppcheck
  git                      # says which files are the project's
  python3-boto3            # the end-to-end tests' client
  docker-registry          # a registry on loopback
  openssl procps           # certificates for listeners, processes of a proxy
  wrk                      # load on a balancer while tasks come and go; `make bench` uses it, too
  chromium fonts-liberation # the web console, tried in a browser
)

case "${1:-}" in
'') ;;
--tests) packages+=("${test_packages[@]}") ;;
--list)
  printf '%s\n' "${packages[@]}" "${test_packages[@]}"
  exit 0
  ;;
*)
  echo "setup: what is $1? Give nothing, --tests or --list" >&2
  exit 2
  ;;
esac
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
  command -v sudo >/dev/null || { echo "setup: packages are missing (${missing[*]}): run this as root, or install sudo" >&2; exit 1; }
  as_root=(sudo)
fi
echo "setup: installing ${missing[*]}"

# docker-registry, haproxy and unbound would start a service on this machine, now and whenever it boots; the tests start their own.
policy=/usr/sbin/policy-rc.d
made_policy=
remove_policy() { [ -z "$made_policy" ] || "${as_root[@]}" rm -f $policy; }
trap remove_policy EXIT
if [ ! -e $policy ]; then
  made_policy=yes
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
  "${as_root[@]}" chmod +x $policy
fi

# Runs apt-get, which writes its progress to standard output ("dlstatus:…:PERCENT:TEXT", "pmstatus:PACKAGE:PERCENT:TEXT") and nothing else.
apt_get() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C sh -c 'exec apt-get -o APT::Status-Fd=3 "$@" 3>&1 >/dev/null' sh \
    -qq -o DPkg::Lock::Timeout=300 "$@" 2> >(grep -v 'apt-utils is not installed' >&2)
}
# One line every five seconds: `progress WORD`, where WORD is said until apt-get has told something.
progress() {
  local word=$1 shown=$SECONDS start=$SECONDS kind what percent rest status
  while :; do
    status=0
    IFS=: read -r -t 1 kind what percent rest || status=$?
    if [ $status = 0 ]; then
      case $kind in
      dlstatus) word="fetching, ${percent%%.*} %" ;;
      pmstatus) word="unpacking and configuring, ${percent%%.*} % ($what)" ;;
      esac
    elif [ $status -le 128 ]; then
      return 0
    fi
    if [ $((SECONDS - shown)) -ge 5 ]; then
      shown=$SECONDS
      echo "setup: $word, after $((SECONDS - start)) s"
    fi
  done
}
# An answer of "no" makes apt-get say only how much it would fetch and unpack.
sizes() {
  LC_ALL=C apt-get -o Debug::NoLocking=1 install --assume-no --no-install-recommends "${missing[@]}" 2>/dev/null |
    sed -n -e 's/^Need to get \(.*\) of archives.*/setup: \1 to fetch/p' \
      -e 's/^After this operation, \(.*\) of additional disk space will be used.*/setup: \1 on disk/p' || true
}

if ! apt_get -o APT::Update::Error-Mode=any update | progress "asking the mirror for its lists"; then
  echo "setup: the lists of packages could not be renewed (see above); going on with those that are here" >&2
fi
sizes
if ! apt_get install -y --no-install-recommends "${missing[@]}" | progress "installing"; then
  echo "setup: the packages could not be installed: see apt-get's message above. Without a way to a Debian 12 mirror (network, proxy," \
    "/etc/apt/sources.list) nothing can be built here; when it is there, the same command goes on where this one ended." >&2
  exit 1
fi
for service in docker-registry haproxy unbound; do
  case " ${missing[*]} " in
  *" $service "*) "${as_root[@]}" update-rc.d $service disable ;;
  esac
done
echo "setup: done"
