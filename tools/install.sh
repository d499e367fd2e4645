#!/bin/sh
# Installs the tools that `cargo build --release --package omx-tools` has built, each with the manual page of its name.
#
#   tools/install.sh [PREFIX]      PREFIX is /usr/local unless given; DESTDIR is put before it.
#
# BUILT names another directory than cargo's target/release.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
built=${BUILT:-${CARGO_TARGET_DIR:-$here/../target}/release}
to=${DESTDIR:-}${1:-/usr/local}

install -d "$to/bin" "$to/share/man/man1"
for page in "$here"/man/*.1; do
    tool=$(basename "$page" .1)
    if [ ! -e "$built/$tool" ]; then
        echo "install.sh: $built/$tool is not there: run 'cargo build --release --package omx-tools' first" >&2
        exit 1
    fi
    install -m 755 "$built/$tool" "$to/bin"
    install -m 644 "$page" "$to/share/man/man1"
done
echo "the tools are installed below $to"
