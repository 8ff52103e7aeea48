#!/usr/bin/env bash
# Makes the Debian package BUILD/gantry_VERSION_ARCHITECTURE.deb, with the console that is in BUILD.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(readlink -f "${1:-build}")
package=build-package
[ -f $package/build.ninja ] || meson setup $package --prefix=/usr --libdir=lib -Dtests=disabled
ninja -C $package
rm -rf "$package/console"
[ ! -d "$build/console" ] || cp -r "$build/console" "$package/console"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
meson install -C $package --no-rebuild --quiet --strip --destdir "$root"
gzip -9n "$root/usr/share/man/man1/gantry.1"
rm "$root/usr/share/doc/gantry/gantry.conf" # here it is a file of dpkg's, which asks before it replaces a changed one

mkdir "$root/DEBIAN" "$package/debian" 2>/dev/null || true
printf 'Source: gantry\n\nPackage: gantry\nArchitecture: any\n' >"$package/debian/control"
libraries=$(cd $package && dpkg-shlibdeps -O "$root/usr/bin/gantry" 2>/dev/null | sed 's/^shlibs:Depends=//')
version=$("$root/usr/bin/gantry" --version | cut -d' ' -f2)
architecture=$(dpkg --print-architecture)
sed -e "s/@version@/$version/; s/@architecture@/$architecture/; s/@libraries@/$libraries/" \
  -e "s/@size@/$(du -sk --exclude=DEBIAN "$root" | cut -f1)/" packaging/debian/control.in >"$root/DEBIAN/control"
cp packaging/debian/conffiles packaging/debian/p* "$root/DEBIAN/"
deb=$build/gantry_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$root" "$deb" >/dev/null
echo "package: $(du -h "$deb" | cut -f1) in $deb: sudo apt-get install $deb"
