#!/bin/busybox sh
# The first program of dom0: starts what xl needs, then the lab's agent.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /run/lock /run/xen /run/xenstored /etc/xen/omx.d
mkdir -p /var/lib/xen /var/lib/xenstored /var/log/xen/console
mount -t devpts devpts /dev/pts
ln -s /run /var/run
ln -s /run/lock /var/lock
ln -s /proc/self/fd /dev/fd
hostname dom0
for module in xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs xen-pciback virtio_pci virtio_console; do
    modprobe "$module" || echo "dom0: modprobe $module failed"
done
mount -t xenfs xenfs /proc/xen
xenstored --pid-file /run/xenstored.pid
xen-init-dom0
xenconsoled --log=guest --log-dir=/var/log/xen/console --pid-file=/run/xenconsoled.pid
ip link set lo up
echo "dom0: ready"
# A scenario that needs no lab outside, for the deterministic clock.
if [ -e /lab/scenario.sh ]; then
    sh /lab/scenario.sh
    poweroff -f
fi
lab-agent /dev/vport0p1 --relay
echo "dom0: the agent ended"
poweroff -f
