#!/bin/sh
# Runs the lab's program with these arguments. Its build scripts and derive macros are linked for this machine, for which a
# toolchain of rustup brings no C library: so a compiler is installed first where there is none. All else that the lab needs
# it installs by itself.
set -eu

if ! command -v cc >/dev/null; then
    line="apt-get install -q -y --no-install-recommends gcc libc6-dev"
    if [ "$(id -u)" = 0 ]; then
        sudo=
    elif command -v sudo >/dev/null; then
        sudo="sudo --"
    else
        echo "there is no C compiler: as root, run '$line'" >&2
        exit 1
    fi
    echo "installing gcc and libc6-dev, to link with" >&2
    export DEBIAN_FRONTEND=noninteractive
    { $sudo apt-get update -q && $sudo $line; } >&2
fi
exec cargo run --release --package lab -- "$@"
