#!/bin/sh
# Installs what `cargo build --release --package libfabric-openmx` has built, where libfabric looks for providers.
#
#   libfabric-openmx/install.sh [PREFIX]      PREFIX is /usr/local unless given; DESTDIR is put before it.
#
# BUILT names another directory than cargo's target/release, and LIBDIR where below PREFIX libraries are, instead of lib: the
# libfabric of Debian has PREFIX /usr and LIBDIR lib/x86_64-linux-gnu.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
built=${BUILT:-${CARGO_TARGET_DIR:-$here/../target}/release}
to=${DESTDIR:-}${1:-/usr/local}/${LIBDIR:-lib}/libfabric

if [ ! -e "$built/libopenmx_fi.so" ]; then
    echo "install.sh: $built/libopenmx_fi.so is not there: run 'cargo build --release --package libfabric-openmx' first" >&2
    exit 1
fi

install -d "$to"
install -m 644 "$built/libopenmx_fi.so" "$to/libopenmx-fi.so"
echo "the provider is installed in $to"
