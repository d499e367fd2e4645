#!/bin/sh
# Installs the sources of the frontend's module for DKMS, which builds it for each kernel of a guest without Rust, and the rule
# by which its device belongs to a group.
#
#   guest-frontend-kmod/install.sh DKMS VERSION [PREFIX]
#
# DKMS is the directory of that name which build.sh makes; PREFIX is /usr unless given, where DKMS looks; DESTDIR is put
# before it. Without Debian's package: systemd-sysusers; udevadm control --reload; dkms install open-mx-frontend/VERSION.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
dkms=$1
version=$2
to=${DESTDIR:-}${3:-/usr}
sources=$to/src/open-mx-frontend-$version

install -d "$sources" "$to/lib/udev/rules.d" "$to/lib/sysusers.d"
install -m 644 "$dkms"/* "$sources"
sed "s|@VERSION@|$version|" "$here/packaging/dkms.conf" >"$sources/dkms.conf"
chmod 644 "$sources/dkms.conf"
install -m 644 "$here/packaging/udev.rules" "$to/lib/udev/rules.d/60-open-mx.rules"
install -m 644 "$here/packaging/sysusers.conf" "$to/lib/sysusers.d/open-mx-frontend.conf"
echo "the module's sources are installed below $to"
