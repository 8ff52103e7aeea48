#!/usr/bin/env bash
# Makes what the machines of Auto Scaling groups boot (gantry machine): Debian's cloud kernel, and an initial file system with the agent and
# what it runs, copied from this machine. Done already with this program: nothing happens.
#
#   tools/machine-image.sh DIR [GANTRY]      default: the program in build/, or the one that is installed
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
dir=${1:?usage: machine-image.sh DIR [GANTRY]}
gantry=${2:-}
for candidate in "$here/../build/gantry" "$(command -v gantry || true)"; do
  [ -n "$gantry" ] || [ ! -x "$candidate" ] || gantry=$candidate
done
[ -x "$gantry" ] || { echo "machine-image: the program gantry is missing: build it (ninja -C build) or name it" >&2; exit 1; }
mkdir -p "$dir"
dir=$(readlink -f "$dir")
# One at a time.
exec 9>"$dir/lock"
flock 9
[ ! -e "$dir/kernel" ] || [ ! "$dir/initramfs" -nt "$gantry" ] || [ ! "$dir/initramfs" -nt "$0" ] || exit 0

programs=(crun conmon skopeo catatonit mkfs.ext4 nft ip)
for program in kmod cpio busybox "${programs[@]}"; do
  command -v $program >/dev/null || { echo "machine-image: $program is missing: apt-get install kmod cpio busybox-static crun conmon skopeo catatonit e2fsprogs nftables iproute2" >&2; exit 1; }
done

work=$(mktemp -d "$dir/making.XXXXXX")
trap 'rm -rf "$work"' EXIT
version=$("$here/debian-kernel.sh" "$(dirname "$dir")/debian-kernel" "$work/kernel")
vmlinuz=$work/kernel/boot/vmlinuz-$version

root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,run,tmp,etc/containers,etc/ssl/certs,root,var/lib/gantry,usr/bin,lib/modules}
ln -s usr/bin "$root/sbin"
ln -s bin "$root/usr/sbin"
busybox=$(command -v busybox)
cp "$busybox" "$root/bin/busybox"
# A program with the libraries that it is linked with, each where it is here.
libraries() {
  local file
  for file in $(ldd "$1" 2>/dev/null | grep -o '/[^ ]*'); do
    mkdir -p "$root$(dirname "$file")"
    cp -Ln "$file" "$root$file"
  done
}
take() {
  cp -L "$1" "$root/usr/bin/$(basename "$1")"
  libraries "$1"
}
take "$gantry"
strip -o "$root/usr/bin/gantry" "$gantry"
for program in "${programs[@]}"; do
  take "$(command -v $program)"
done
# Libraries that are loaded when they are needed, by the agent and to look up names.
for name in libnftables.so.1 libcurl.so.4 libarchive.so.13 libnss_dns.so.2 libnss_files.so.2; do
  file=$(ldconfig -p | awk -v name=$name '$1 == name && file == "" {file = $NF} END {print file}')
  [ -z "$file" ] || { mkdir -p "$root$(dirname "$file")" && cp -Ln "$file" "$root$file" && libraries "$file"; }
done
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/" 2>/dev/null || true
printf '{"default":[{"type":"insecureAcceptAnything"}]}\n' >"$root/etc/containers/policy.json"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
printf '127.0.0.1 localhost\n' >"$root/etc/hosts"

modules=(virtio_pci virtio_net virtio_blk ext4 crc32c_generic overlay bridge br_netfilter veth vxlan tun nf_tables nft_chain_nat nft_nat nft_masq nft_redir
  nft_ct nft_fib_inet nft_limit nft_log nft_reject_inet nft_tproxy nf_conntrack nf_conntrack_netlink sch_fq_codel)
order=()
for module in "${modules[@]}"; do
  for file in $(modprobe -d "$work/kernel" -S "$version" --show-depends $module 2>/dev/null | awk '/^insmod/ {print $2}'); do
    case " ${order[*]} " in *" $(basename "$file") "*) continue ;; esac
    cp "$file" "$root/lib/modules/"
    order+=("$(basename "$file")")
  done
done

{
  cat <<'GUEST'
#!/bin/busybox sh
# The first process of a machine: devices, network, disk, and the agent for ever.
export PATH=/usr/bin:/bin HOME=/root
/bin/busybox --install -s /bin
# Containers cannot leave the kernel's first file system (pivot_root): the same files in memory, as an ordinary one.
if [ "${1:-}" != second ]; then
  mkdir /new
  mount -t tmpfs -o size=75%,mode=755 tmpfs /new
  for part in /*; do
    [ $part = /new ] || cp -a $part /new/
  done
  exec switch_root /new /init second
fi
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts; mount -t tmpfs tmpfs /dev/shm; mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /tmp
GUEST
  printf 'for module in %s; do insmod /lib/modules/$module 2>/dev/null; done\n' "${order[*]}"
  cat <<'GUEST'
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir /sys/fs/cgroup/system && echo $$ >/sys/fs/cgroup/system/cgroup.procs
for c in cpuset cpu io memory pids; do echo +$c >/sys/fs/cgroup/cgroup.subtree_control; done
for disk in /sys/block/vd*; do
  case $(cat $disk/serial) in
  config) config=/dev/${disk##*/} ;;
  disk) data=/dev/${disk##*/} ;;
  esac
done
. $config
hostname $ID
ip link set lo up
ip link set eth0 up
cat >/tmp/dhcp <<'DHCP'
#!/bin/busybox sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip addr replace $ip/$mask dev $interface
[ -z "$router" ] || ip route replace default via ${router%% *}
for server in $dns; do echo nameserver $server; done >/etc/resolv.conf
DHCP
chmod +x /tmp/dhcp
udhcpc -q -n -t 20 -T 1 -i eth0 -s /tmp/dhcp || echo "machine: nobody gives this machine an address"
udhcpc -b -S -i eth0 -s /tmp/dhcp >/dev/null 2>&1
mount -t ext4 $data /var/lib/gantry 2>/dev/null || { mkfs.ext4 -q -E lazy_itable_init=1,lazy_journal_init=1 -m 0 $data && mount -t ext4 $data /var/lib/gantry; }
[ -z "$CA" ] || { echo "$CA" >/etc/ca.pem; OPTIONS="$OPTIONS --ca-file=/etc/ca.pem"; }
echo 1 >/proc/sys/net/ipv4/ip_forward
ulimit -n 1048576
export GANTRY_ACCESS_KEY GANTRY_SECRET_KEY
while :; do
  gantry agent --data-dir /var/lib/gantry/agent --server $SERVER --cluster $CLUSTER --region $REGION --zone $ZONE $OPTIONS
  [ $? != 5 ] || break
  sleep 1
done
echo "machine: the server does not take this machine"
poweroff -f
GUEST
} >"$root/init"
chmod +x "$root/init"
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc --quiet --owner 0:0) >"$work/initramfs"
cp "$vmlinuz" "$work/vmlinuz"
chmod 0644 "$work/initramfs" "$work/vmlinuz"
mv "$work/vmlinuz" "$dir/kernel"
mv "$work/initramfs" "$dir/initramfs"
echo "machine-image: $dir has kernel $version and $(du -m "$dir/initramfs" | cut -f 1) MiB of files" >&2
