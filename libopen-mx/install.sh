#!/bin/sh
# Installs what `cargo build --release --package open-mx` has built: library, header, tools, manual pages.
#
#   libopen-mx/install.sh [PREFIX]      PREFIX is /usr/local unless given; DESTDIR is put before it.
#
# With the default prefix programs find the library without LD_LIBRARY_PATH, since the loader looks there.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
built=${CARGO_TARGET_DIR:-$here/../target}/release
prefix=${1:-/usr/local}
to=${DESTDIR:-}$prefix

if [ ! -e "$built/libopen_mx.so" ]; then
    echo "install.sh: $built/libopen_mx.so is not there: run 'cargo build --release --package open-mx' first" >&2
    exit 1
fi

install -d "$to/lib" "$to/include" "$to/bin" "$to/share/man/man1" "$to/share/man/man7"
install -m 755 "$built/libopen_mx.so" "$to/lib/libopen-mx.so.0.0.0"
ln -sf libopen-mx.so.0.0.0 "$to/lib/libopen-mx.so.0"
ln -sf libopen-mx.so.0 "$to/lib/libopen-mx.so"
install -m 644 "$here/include/open-mx.h" "$to/include/open-mx.h"
install -m 644 "$here/man/open-mx.7" "$to/share/man/man7/open-mx.7"
for tool in omx_info omx_endpoint_info omx_counters omx_hostname omx_init_peers omx_perf omx_verify; do
    install -m 755 "$built/$tool" "$to/bin/$tool"
    install -m 644 "$here/man/$tool.1" "$to/share/man/man1/$tool.1"
done

if [ -z "${DESTDIR:-}" ] && [ "$(id -u)" = 0 ]; then
    ldconfig
fi
echo "installed below $to"
