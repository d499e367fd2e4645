#!/bin/sh
# The linker of everything that runs on Linux: cc, which is installed first where it is missing. A machine with rustup
# alone has none, and nothing of this repository could be linked to install it.
set -eu

if ! command -v cc >/dev/null; then
    # Several crates are linked at the same time.
    exec 9>"${TMPDIR:-/tmp}/xen2mx-cc.lock"
    flock 9
fi
if ! command -v cc >/dev/null; then
    line="apt-get install -q -y --no-install-recommends gcc libc6-dev"
    if [ "$(id -u)" = 0 ]; then
        sudo=
    elif command -v sudo >/dev/null; then
        sudo="sudo --"
    else
        echo "there is no C linker: as root, run '$line'" >&2
        exit 1
    fi
    # Cargo keeps what a linker prints, so this goes to the terminal if there is one.
    (echo "installing gcc and libc6-dev, to link with" >/dev/tty) 2>/dev/null || true
    export DEBIAN_FRONTEND=noninteractive
    { $sudo apt-get update -q && $sudo $line; } >&2
fi
exec cc "$@"
