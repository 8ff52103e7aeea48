#!/usr/bin/env bash
# Makes what micro-VMs boot: Debian's cloud kernel and an initial file system that holds our agent for the inside, gantry-init, and the few
# modules it needs. Both go to DIR; done already: nothing happens.
#
#   tools/microvm-image.sh DIR [GANTRY-INIT]       default: build/src/guest/gantry-init, or the one beside this script
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
dir=${1:?usage: microvm-image.sh DIR [GANTRY-INIT]}
init=${2:-}
for candidate in "$here/gantry-init" "$here/../build/src/guest/gantry-init"; do
  [ -n "$init" ] || [ ! -x "$candidate" ] || init=$candidate
done
[ -x "$init" ] || { echo "microvm-image: gantry-init is missing: build it (ninja) or name it" >&2; exit 1; }
mkdir -p "$dir"
dir=$(readlink -f "$dir")
# One at a time.
exec 9>"$dir/lock"
flock 9
[ ! "$dir/initramfs" -nt "$init" ] || [ ! "$dir/initramfs" -nt "$0" ] || [ ! -e "$dir/kernel" ] || exit 0

missing=()
for package in kmod cpio zstd; do
  dpkg-query -W -f '${Status}' $package 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} = 0 ] || { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; }

work=$(mktemp -d "$dir/making.XXXXXX")
trap 'rm -rf "$work"' EXIT
# The kernel is unpacked, not installed: this machine's own kernel and boot loader are left alone.
package=$(cd "$dir" && ls linux-image-*.deb 2>/dev/null | head -n 1 || true)
if [ -z "$package" ]; then
  echo "microvm-image: fetching Debian's cloud kernel" >&2
  [ -n "$(apt-cache depends linux-image-cloud-amd64 2>/dev/null)" ] || apt-get update -qq
  name=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ {print $2; exit}')
  (cd "$work" && apt-get -o APT::Sandbox::User=root download -qq "$name" && mv linux-image-*.deb "$dir/")
  package=$(cd "$dir" && ls linux-image-*.deb | head -n 1)
fi
dpkg-deb -x "$dir/$package" "$work/kernel"
vmlinuz=$(ls "$work"/kernel/boot/vmlinuz-*)
version=${vmlinuz##*/vmlinuz-}
depmod -b "$work/kernel" "$version"

root=$work/root
mkdir -p "$root"/{dev,proc,sys,run,modules,root,tmp,usr/bin,usr/libexec}
strip -o "$root/init" "$init"
# initProcessEnabled; static.
[ ! -x /usr/bin/catatonit ] || cp /usr/bin/catatonit "$root/usr/bin/catatonit"
number=10
# virtio_blk last: gantry-init leaves its devices alone until the task's disks are there.
for module in $(modprobe -d "$work/kernel" -S "$version" --show-depends -a virtio_pci virtio_net virtio_console virtio_balloon overlay erofs virtio_blk |
  awk '/^insmod/ && !seen[$2]++ {print $2}'); do
  cp "$module" "$root/modules/$number-$(basename "$module")"
  number=$((number + 1))
done
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc --quiet --owner 0:0) >"$work/initramfs"
chmod 0644 "$work/initramfs"
cp "$vmlinuz" "$work/vmlinuz"
chmod 0644 "$work/vmlinuz"
mv "$work/vmlinuz" "$dir/kernel"
mv "$work/initramfs" "$dir/initramfs"
echo "$version" >"$dir/version"
