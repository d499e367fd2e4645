#!/bin/sh
# Runs a shell's commands as root in another root directory, without the machine's network unless the root itself is to change.
# Arguments: the root; a directory for what changes, or nothing for the root itself; a directory to be seen at /srv/packages; the
# commands. Called in a mount and a process namespace of its own, which take mounts and processes away when they have ended.
set -eu

root=$1 changes=$2 packages=$3 commands=$4
if [ -n "$changes" ]; then
    mkdir -p "$changes/upper" "$changes/work" "$changes/merged"
    mount -t overlay overlay -o "lowerdir=$root,upperdir=$changes/upper,workdir=$changes/work" "$changes/merged"
    root=$changes/merged
    alone="unshare --net"
else
    alone=
fi
mkdir -p "$root/srv/packages"
mount --bind "$packages" "$root/srv/packages"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
exec $alone chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive sh -euc "$commands"
