#!/bin/sh
# Runs a command as a user of another root directory, which becomes the real root of a mount namespace: inside of a chroot,
# the kernel refuses user namespaces, and a newcomer's machine is none. Arguments: the root, the user, the command line.
# Called in a mount and a process namespace of its own, which take mounts and processes away when the command has ended.
set -eu

mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs tmpfs run
mkdir -p old
pivot_root . old
cd /
umount -l old
rmdir old
exec su --login --command "$3" "$2"
