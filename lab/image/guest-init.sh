#!/bin/busybox sh
# The first program of a guest: loads the Open-MX frontend, then runs the lab's agent.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
hostname "$(xenstore-read name)"
ip link set lo up
modprobe open-mx-frontend || echo "$(hostname): modprobe open-mx-frontend failed"
echo "$(hostname): ready"
if [ -e /lab/scenario.sh ]; then
    sh /lab/scenario.sh
fi
lab-agent /dev/hvc0
echo "$(hostname): the agent ended"
poweroff -f
