#!/bin/sh
# Installs the driver domain's image, its configuration for `xl create`, which stays as it is where there is one, and its manual
# page, for dom0.
#
#   driver-domain/install.sh [PREFIX]      PREFIX is /usr/local unless given; DESTDIR is put before it.
#
# IMAGE names another file than target/x86_64-unknown-none/bare/driver-domain, which
# `cargo build --profile bare --target x86_64-unknown-none --package driver-domain` builds.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
image=${IMAGE:-${CARGO_TARGET_DIR:-$here/../target}/x86_64-unknown-none/bare/driver-domain}
prefix=${1:-/usr/local}
to=${DESTDIR:-}$prefix
config=${DESTDIR:-}/etc/xen/driver-domain.cfg

if [ ! -e "$image" ]; then
    echo "install.sh: $image is not there: run 'cargo build --profile bare --target x86_64-unknown-none --package driver-domain' first" >&2
    exit 1
fi

install -d "$to/lib/open-mx" "$to/share/man/man7" "$(dirname "$config")"
install -m 644 "$image" "$to/lib/open-mx/driver-domain"
install -m 644 "$here/open-mx-driver-domain.7" "$to/share/man/man7"
if [ ! -e "$config" ]; then
    sed "s|^kernel = .*|kernel = \"$prefix/lib/open-mx/driver-domain\"|" "$here/../xl-configs/driver-domain.cfg" >"$config"
    chmod 644 "$config"
fi
echo "the driver domain is installed below $to"
