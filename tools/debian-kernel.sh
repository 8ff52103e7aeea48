#!/usr/bin/env bash
# Debian's cloud kernel, unpacked and not installed: this machine's own kernel and boot loader are left alone. DIR gets boot/vmlinuz-… and
# lib/modules with their index; the version is printed. The package stays in CACHE, where it is fetched once.
#
#   tools/debian-kernel.sh CACHE DIR
set -euo pipefail
cache=${1:?usage: debian-kernel.sh CACHE DIR}
dir=${2:?usage: debian-kernel.sh CACHE DIR}
mkdir -p "$cache" "$dir"
cache=$(readlink -f "$cache")
# One at a time; what is there is whole.
exec 8>"$cache/lock"
flock 8
packages=("$cache"/linux-image-*.deb)
if [ ! -e "${packages[0]}" ]; then
  echo "debian-kernel: fetching Debian's cloud kernel" >&2
  depends=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null || true)
  if [ -z "$depends" ]; then
    apt-get update -qq
    depends=$(apt-cache depends linux-image-cloud-amd64)
  fi
  name=$(awk '/Depends:/ && name == "" {name = $2} END {print name}' <<<"$depends")
  [ -n "$name" ] || { echo "debian-kernel: the package sources name no linux-image-cloud-amd64: are they Debian's?" >&2; exit 1; }
  fetching=$(mktemp -d "$cache/fetching.XXXXXX")
  trap 'rm -rf "$fetching"' EXIT
  (cd "$fetching" && apt-get -o APT::Sandbox::User=root download -qq "$name") ||
    { echo "debian-kernel: $name cannot be fetched: is Debian's mirror reachable? (or put the package into $cache)" >&2; exit 1; }
  mv "$fetching"/linux-image-*.deb "$cache/"
  packages=("$cache"/linux-image-*.deb)
fi
dpkg-deb -x "${packages[0]}" "$dir"
kernels=("$dir"/boot/vmlinuz-*)
version=${kernels[0]##*/vmlinuz-}
depmod -b "$dir" "$version"
echo "$version"
