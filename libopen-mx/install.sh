#!/bin/sh
# Installs what `cargo build --release --package libopen-mx` has built: libraries, headers, their manual page, and what
# pkg-config tells of them (open-mx for omx_* programs, myriexpress for mx_* programs). ../install.sh installs the tools, too.
#
#   libopen-mx/install.sh [PREFIX]      PREFIX is /usr/local unless given; DESTDIR is put before it.
#
# BUILT names another directory than cargo's target/release, ARCHIVE another static library than the one there, and LIBDIR where
# below PREFIX libraries are put, instead of lib (Debian's packages have lib/x86_64-linux-gnu). The shared
# library is linked here, by cc: its symbols have versions, which rustc cannot give. With the default prefix the loader finds
# it by itself; with another one pkg-config gives programs the path.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
built=${BUILT:-${CARGO_TARGET_DIR:-$here/../target}/release}
archive=${ARCHIVE:-$built/libopen_mx_c.a}
prefix=${1:-/usr/local}
to=${DESTDIR:-}$prefix
libdir=${LIBDIR:-lib}

if [ ! -e "$archive" ]; then
    echo "install.sh: $archive is not there: run 'cargo build --release --package libopen-mx' first" >&2
    exit 1
fi

install -d "$to/$libdir/pkgconfig" "$to/include/mx/mx_internals" "$to/share/man/man7" \
    "$to/share/doc/libopen-mx-dev/examples"

cc -shared -o "$to/$libdir/libopen-mx.so.0.0.0" -Wl,-soname,libopen-mx.so.0 \
    -Wl,--version-script="$here/exports.map" -Wl,--gc-sections -Wl,-z,relro,-z,now \
    -Wl,--whole-archive "$archive" -Wl,--no-whole-archive -lgcc_s -lpthread -lm -ldl
ln -sf libopen-mx.so.0.0.0 "$to/$libdir/libopen-mx.so.0"
ln -sf libopen-mx.so.0 "$to/$libdir/libopen-mx.so"
ln -sf libopen-mx.so "$to/$libdir/libmyriexpress.so"
install -m 644 "$archive" "$to/$libdir/libopen-mx.a"
ln -sf libopen-mx.a "$to/$libdir/libmyriexpress.a"

case $prefix in
/usr | /usr/local) rpath= ;;
*) rpath="-Wl,-rpath,$prefix/$libdir" ;;
esac
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../Cargo.toml")
for package in open-mx myriexpress; do
    sed -e "s|@PREFIX@|$prefix|" -e "s|@LIBDIR@|$libdir|" -e "s|@VERSION@|$version|" -e "s|@RPATH@|$rpath|" \
        "$here/$package.pc.in" >"$to/$libdir/pkgconfig/$package.pc"
done

install -m 644 "$here"/include/*.h "$to/include"
install -m 644 "$here"/include/mx/*.h "$to/include/mx"
install -m 644 "$here"/include/mx/mx_internals/*.h "$to/include/mx/mx_internals"
# MX programs include <myriexpress.h>, without a folder.
for header in "$here"/include/mx/*.h "$here/include/mx/mx_internals"; do
    ln -sfn "mx/$(basename "$header")" "$to/include/$(basename "$header")"
done

install -m 644 "$here"/../open-mx/man/*.7 "$to/share/man/man7"
install -m 644 "$here"/examples/* "$to/share/doc/libopen-mx-dev/examples"

# The loader does not look below other prefixes.
if [ -z "$rpath" ] && [ -z "${DESTDIR:-}" ] && [ "$(id -u)" = 0 ]; then
    ldconfig
fi
echo "the library is installed below $to"
