#!/bin/sh
# Installs what `cargo build --release --package omx-node` has built: omxd, its manual page, and the service of each interface.
#
#   node/install.sh [PREFIX]      PREFIX is /usr/local unless given; DESTDIR is put before it.
#
# BUILT names another directory than cargo's target/release. Without Debian's package, the service wants its user once:
# systemd-sysusers, systemd-tmpfiles --create, systemctl daemon-reload; then systemctl enable --now omxd@eth1.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
built=${BUILT:-${CARGO_TARGET_DIR:-$here/../target}/release}
prefix=${1:-/usr/local}
to=${DESTDIR:-}$prefix

if [ ! -e "$built/omxd" ]; then
    echo "install.sh: $built/omxd is not there: run 'cargo build --release --package omx-node' first" >&2
    exit 1
fi

install -d "$to/sbin" "$to/share/man/man8" "$to/lib/systemd/system" "$to/lib/sysusers.d" "$to/lib/tmpfiles.d" "$to/lib/sysctl.d"
install -m 755 "$built/omxd" "$to/sbin"
install -m 644 "$here/omxd.8" "$to/share/man/man8"
install -m 644 "$here/service/sysusers.conf" "$to/lib/sysusers.d/omxd.conf"
install -m 644 "$here/service/tmpfiles.conf" "$to/lib/tmpfiles.d/omxd.conf"
install -m 644 "$here/service/sysctl.conf" "$to/lib/sysctl.d/05-omxd.conf"
sed "s|@PREFIX@|$prefix|" "$here/service/omxd@.service" >"$to/lib/systemd/system/omxd@.service"
chmod 644 "$to/lib/systemd/system/omxd@.service"
echo "omxd is installed below $to"
