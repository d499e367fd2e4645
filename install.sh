#!/bin/sh
# Installs what `cargo build --release --package libopen-mx --package omx-tools` has built: library, headers, tools, manual
# pages, and what pkg-config tells of them.
#
#   ./install.sh [PREFIX]      PREFIX is /usr/local unless given; DESTDIR is put before it.
#
# BUILT names another directory than cargo's target/release.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
"$here/libopen-mx/install.sh" "$@"
"$here/tools/install.sh" "$@"
