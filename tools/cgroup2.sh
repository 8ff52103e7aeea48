#!/usr/bin/env bash
# The end-to-end test of RunTask on a pure cgroup v2 machine: Debian's cloud kernel in QEMU, over this machine's files (read-only,
# changes go to memory). Runs under KVM where that works, else under emulation: then it is slow (tens of minutes).
#
#   tools/cgroup2.sh [BUILD] [TEST …]      default: test_run_task
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(readlink -f "${1:-build}")
shift || true
tests=${*:-test_run_task}
[ "$(id -u)" = 0 ] || { echo "cgroup2: needs root" >&2; exit 1; }

missing=()
for package in qemu-system-x86 busybox-static cpio kmod zstd; do
  dpkg-query -W -f '${Status}' $package 2>/dev/null | grep -q 'ok installed' || missing+=($package)
done
[ ${#missing[@]} = 0 ] || { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; }

work=$build/cgroup2
mkdir -p "$work"
rm -rf "$work/kernel"
version=$(tools/debian-kernel.sh "$build/debian-kernel" "$work/kernel")
kernel=$work/kernel/boot/vmlinuz-$version
modules=$work/kernel/lib/modules/$version

root=$work/initramfs
rm -rf "$root"
mkdir -p "$root"/{bin,proc,sys,dev,modules,lower,upper,new}
cp /bin/busybox "$root/bin/busybox"
order=$(modprobe -d "$work/kernel" -S "$version" --show-depends -a virtio_pci virtiofs overlay | awk '/^insmod/ {print $2}' | awk '!seen[$0]++')
for module in $order; do
  cp "$module" "$root/modules/"
done
{
  echo '#!/bin/busybox sh'
  echo 'export PATH=/bin'
  echo '/bin/busybox --install -s /bin'
  echo 'mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev'
  for module in $order; do
    echo "insmod /modules/$(basename "$module")"
  done
  cat <<GUEST
mount -t virtiofs host /lower || exec sh
mount -t tmpfs -o size=75% tmpfs /upper
mkdir /upper/up /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/up,workdir=/upper/work overlay /new
for dir in proc sys dev; do mount --move /\$dir /new/\$dir; done
mkdir -p /keep
mount --bind /new$PWD /keep
mount -t tmpfs tmpfs /new/tmp; mount -t tmpfs tmpfs /new/run
# A checkout under /tmp is still there.
mkdir -p /new$PWD
mount --move /keep /new$PWD
mkdir -p /new/lib/modules/$version /new/dev/shm /new/dev/pts
mount --bind /new$modules /new/lib/modules/$version
mount -t devpts devpts /new/dev/pts; mount -t tmpfs tmpfs /new/dev/shm
mount -t cgroup2 cgroup2 /new/sys/fs/cgroup
exec switch_root /new /bin/bash $work/guest.sh
GUEST
} >"$root/init"
chmod +x "$root/init"
cat >"$work/guest.sh" <<GUEST
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
ip link set lo up
for module in bridge veth nf_tables nft_chain_nat nft_nat nft_masq nft_redir nf_conntrack nft_ct overlay; do modprobe \$module 2>/dev/null; done
cd $PWD
echo "guest: kernel \$(uname -r), control groups: \$(stat -f -c %T /sys/fs/cgroup)"
export GANTRY=$build/gantry GANTRY_BUILD=$build GANTRY_PATIENCE=20 PYTHONPATH=tests/e2e PYTHONDONTWRITEBYTECODE=1
/usr/bin/python3 -m unittest -v $tests 2>&1
echo "guest: status \$?"
sync
echo o >/proc/sysrq-trigger
sleep 60
GUEST
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1 >"$work/initramfs.gz")

socket=$work/virtiofs.sock
virtiofsd=$(command -v virtiofsd || ls /usr/lib/qemu/virtiofsd /usr/libexec/virtiofsd 2>/dev/null | head -n 1 || true)
"$virtiofsd" --socket-path="$socket" -o source=/ -o cache=always -o sandbox=chroot >"$work/virtiofsd.log" 2>&1 &
fs=$!
trap 'kill $fs 2>/dev/null || true' EXIT
for _ in $(seq 100); do [ -S "$socket" ] && break; sleep 0.05; done

accel=tcg
if timeout 20 qemu-system-x86_64 -accel kvm -machine q35 -cpu host -m 128 -nographic -no-reboot -kernel "$kernel" -append 'panic=-1' 2>/dev/null | grep -q 'Kernel panic'; then
  accel=kvm
fi
echo "cgroup2: kernel $version under $accel"
timeout "${CGROUP2_TIMEOUT:-3000}" qemu-system-x86_64 -accel $accel -machine q35 -cpu max -smp 2 -m 3072 -nographic -no-reboot \
  -object memory-backend-memfd,id=mem,size=3072M,share=on -numa node,memdev=mem \
  -chardev socket,id=fs,path="$socket" -device vhost-user-fs-pci,chardev=fs,tag=host \
  -kernel "$kernel" -initrd "$work/initramfs.gz" -append 'console=ttyS0 quiet panic=-1 systemd.unified_cgroup_hierarchy=1' </dev/null |
  tee "$work/console.log" | stdbuf -o0 tr -d '\r'
grep -q 'guest: status 0' "$work/console.log"
