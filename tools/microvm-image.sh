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
for package in kmod cpio lz4 zstd xz-utils; do
  dpkg-query -W -f '${Status}' $package 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} = 0 ] || { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; }

work=$(mktemp -d "$dir/making.XXXXXX")
trap 'rm -rf "$work"' EXIT
version=$("$here/debian-kernel.sh" "$(dirname "$dir")/debian-kernel" "$work/kernel")
vmlinuz=$work/kernel/boot/vmlinuz-$version

# Unpacked once here, not at each boot: the kernel as such, which QEMU starts by its PVH entry. From the header (boot protocol 2.08): where the
# packed part begins, and how long it is, its last four bytes being the length of the unpacked. One that is not understood boots packed.
field() {
  od -An -v -j "$1" -N "$2" -t "u$2" "$vmlinuz" | tr -d ' '
}
begin=$((($(field 0x1f1 1) + 1) * 512 + $(field 0x248 4)))
length=$(($(field 0x24c 4) - 4))
case $(od -An -v -j $begin -N 4 -t x1 "$vmlinuz" | tr -d ' ') in
02214c18) unpack="lz4 -dc" ;;
28b52ffd) unpack="zstd -dc" ;;
fd377a58) unpack="xz -dc" ;;
*) unpack= ;;
esac
kernel=$vmlinuz
if [ -n "$unpack" ]; then
  tail -c +$((begin + 1)) "$vmlinuz" >"$work/rest"
  head -c $length "$work/rest" | $unpack >"$work/vmlinux"
  [ "$(head -c 4 "$work/vmlinux" | tail -c 3)" != ELF ] || kernel=$work/vmlinux
fi
[ "$kernel" != "$vmlinuz" ] || echo "microvm-image: this kernel boots packed, which takes longer" >&2

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
cp "$kernel" "$work/kernel.new"
chmod 0644 "$work/kernel.new"
mv "$work/kernel.new" "$dir/kernel"
echo "$version" >"$dir/version"
# Last: it is what says that all is there.
mv "$work/initramfs" "$dir/initramfs"
