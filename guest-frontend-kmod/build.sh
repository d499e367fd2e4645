#!/usr/bin/env bash
# Builds the module open-mx-frontend.ko for one kernel. See --help.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: build.sh <kernel headers> <output directory>

Builds open-mx-frontend.ko.

  <kernel headers>    what /lib/modules/<release>/build points to: an installed /usr/src/linux-headers-<release>, or
                      the same directory in a tree that linux-headers-<release>, linux-headers-…-common and
                      linux-kbuild-… were unpacked into (dpkg -x), wherever that tree lies
  <output directory>  gets open-mx-frontend.ko, and dkms/: the prebuilt logic with the shim's sources, from which
                      'make -C <kernel headers> M=<copy of dkms>' builds the module without Rust

Needs cargo with rust-src, the compiler that the kernel was built with (Debian 12: gcc-12; 13: gcc-14), make and objcopy.
Where that compiler and its tools are not among the machine's own programs, KBUILD_PATH is the PATH that finds them.
Exit status: 0 built, 1 a step failed (its messages say why), 2 wrong arguments.

example: build.sh /usr/src/linux-headers-6.1.0-56-amd64 target/kmod/6.1
TEXT
}

case ${1-} in
-h | --help)
    usage
    exit 0
    ;;
esac
if [ $# -ne 2 ]; then
    usage >&2
    exit 2
fi
if [ ! -f "$1/Makefile" ] || [ ! -f "$1/Module.symvers" ]; then
    echo "build.sh: $1 holds no kernel headers (no Makefile and Module.symvers): give the directory of linux-headers-<release>" >&2
    exit 2
fi
room=$(cd "$(dirname "$0")" && pwd)
headers=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
target=${CARGO_TARGET_DIR:-$room/../target}/kmod

# One object for all kernels: kernel code model, no red zone, frame pointers, nothing through a GOT (a module loader
# knows no such relocation), returns and indirect calls through the kernel's thunks, room for ftrace's patches. The
# precompiled core has other flags, so it is built as well.
echo "open-mx-frontend: the Rust logic"
flags=(
    -Crelocation-model=static -Ccode-model=kernel -Crelro-level=off -Cno-redzone=y -Cforce-frame-pointers=y
    -Cjump-tables=n -Zfunction-return=thunk-extern -Zretpoline-external-thunk -Zindirect-branch-cs-prefix
    -Zcf-protection=branch -Zmin-function-alignment=16 -Zpatchable-function-entry=16,16 -Zfunction-sections=n
    "--remap-path-prefix=$(cd "$room/.." && pwd)=."
)
mkdir -p "$target"
target=$(cd "$target" && pwd)
(
    cd "$room/.."
    export RUSTC_BOOTSTRAP=1 CARGO_ENCODED_RUSTFLAGS
    CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && echo "${flags[*]}")
    cargo rustc --quiet --package open-mx-frontend --lib --crate-type staticlib --profile bare \
        --target x86_64-unknown-none --target-dir "$target" -Zbuild-std=core,alloc -- "--emit=obj=$target/logic.o"
)

dkms=$out/dkms
rm -rf "$dkms"
mkdir -p "$dkms"
cp "$room"/kbuild/{Kbuild,shim.h,memory.c,xenbus.c,device.c} "$dkms/"
objcopy --strip-debug --keep-global-symbols="$room/kbuild/exports.txt" --remove-section=.note.gnu.property \
    --remove-section=__patchable_function_entries --remove-section=.eh_frame --remove-section=.comment \
    "$target/logic.o" "$dkms/logic.o_shipped"

# Debian's Makefile names the common headers, and from 7.x on itself, by absolute paths. Where that is not so, a directory
# of links to everything else, with a Makefile that names them where they are, serves as well.
common=$(sed -n 's/^include //p' "$headers/Makefile" | head -1)
if [ -n "$common" ] && [ ! -f "$common" ]; then
    tree=${headers%/usr/src/*}
    if [ ! -f "$tree$common" ]; then
        echo "build.sh: $headers needs $common: unpack the linux-headers-…-common package into $tree" >&2
        exit 1
    fi
    overlay=$out/headers
    rm -rf "$overlay"
    mkdir -p "$overlay"
    for entry in "$headers"/* "$headers"/.config "$headers"/.kernelvariables; do
        case $entry in
        */Makefile) ;;
        *) [ ! -e "$entry" ] || ln -s "$entry" "$overlay/" ;;
        esac
    done
    sed -e "s|^include /|include $tree/|" -e "s|^KBUILD_OUTPUT=.*|KBUILD_OUTPUT=$overlay|" "$headers/Makefile" \
        >"$overlay/Makefile"
    headers=$overlay
fi

build=$out/build
rm -rf "$build"
cp -r "$dkms" "$build"
echo "open-mx-frontend: the module"
PATH=${KBUILD_PATH:-$PATH} make --silent -C "$headers" M="$build" modules
cp "$build/open-mx-frontend.ko" "$out/"
echo "open-mx-frontend: $out/open-mx-frontend.ko"
