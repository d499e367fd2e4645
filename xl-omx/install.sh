#!/bin/sh
# Installs what `cargo build --release --package xl-omx` has built, for dom0: xl-omx, its manual page, the service that runs
# `xl-omx watch`, and what bash and zsh complete its command line by.
#
#   xl-omx/install.sh [PREFIX]      PREFIX is /usr/local unless given; DESTDIR is put before it.
#
# BUILT names another directory than cargo's target/release. Without Debian's package the service is begun by
# systemctl daemon-reload; systemctl enable --now xl-omx-watch.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
built=${BUILT:-${CARGO_TARGET_DIR:-$here/../target}/release}
prefix=${1:-/usr/local}
to=${DESTDIR:-}$prefix

if [ ! -e "$built/xl-omx" ]; then
    echo "install.sh: $built/xl-omx is not there: run 'cargo build --release --package xl-omx' first" >&2
    exit 1
fi

# Where zsh looks: distributions have a folder of their own below /usr.
case $prefix in
/usr) zsh=share/zsh/vendor-completions ;;
*) zsh=share/zsh/site-functions ;;
esac
bash=share/bash-completion/completions

install -d "$to/sbin" "$to/share/man/man8" "$to/lib/systemd/system" "$to/$bash" "$to/$zsh"
install -m 755 "$built/xl-omx" "$to/sbin"
install -m 644 "$here/xl-omx.8" "$to/share/man/man8"
sed "s|@PREFIX@|$prefix|" "$here/service/xl-omx-watch.service" >"$to/lib/systemd/system/xl-omx-watch.service"
"$built/xl-omx" completion bash >"$to/$bash/xl-omx"
"$built/xl-omx" completion zsh >"$to/$zsh/_xl-omx"
chmod 644 "$to/lib/systemd/system/xl-omx-watch.service" "$to/$bash/xl-omx" "$to/$zsh/_xl-omx"
echo "xl-omx is installed below $to"
