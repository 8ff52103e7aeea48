#!/usr/bin/env bash
# Installs every package that building, running and testing Gantry needs, on Debian 12. Does nothing when all are there.
set -euo pipefail

build=(
  gcc libc6-dev make meson ninja-build pkg-config python3
  libuv1-dev libhttp-parser-dev libwslay-dev libssl-dev libcurl4-openssl-dev libsqlite3-dev libarchive-dev libseccomp-dev
  libnl-3-dev libnl-route-3-dev libnftables-dev
)
run=(
  crun conmon skopeo nftables iproute2 ca-certificates catatonit
)
demo=(
  busybox-static awscli
)
test=(
  libcmocka-dev libjansson-dev clang-14 libclang-rt-14-dev clang-format-14 clang-tidy-14 cppcheck git
  python3-boto3 python3-requests docker-registry attr curl wrk
)

packages=("${build[@]}" "${run[@]}" "${demo[@]}" "${test[@]}")
if [ "${1:-}" = --list ]; then
  printf '%s\n' "${packages[@]}"
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "setup: packages are missing (${missing[*]}): run this as root" >&2; exit 1; }
  as_root=(sudo)
fi
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# docker-registry and haproxy would start services on this machine; the tests start their own.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
  "${as_root[@]}" chmod +x $policy
  made_policy=yes
fi
trap '[ -z "$made_policy" ] || "${as_root[@]}" rm -f $policy' EXIT
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "setup: done"
