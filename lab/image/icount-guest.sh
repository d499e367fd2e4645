# A guest's part of the measurement: guest1 answers, guest2 asks, first by UDP, then by Open-MX.
wait=$(sed 's/.*lab.wait=\([a-z]*\).*/\1/' /proc/cmdline)
if [ "$wait" = sleep ]; then waiting=-w; else waiting=; fi
. /lab/functions
if [ "$(hostname)" = guest1 ]; then
    modprobe xen-netback
    xenstore-write data/ready 1
    while ! ls -d /sys/class/net/vif*; do sleep 0.2; done
    card=$(basename /sys/class/net/vif*)
    ip addr add 10.0.0.1/24 dev "$card"
    ip link set "$card" mtu 9000 up
    back=${card#vif}
    xenstore-write "backend/vif/${back%.*}/${back#*.}/hotplug-status" connected
    lab-udp answer 10.0.0.1:7000 &
    until_known guest2
    omx_perf $waiting -s
else
    modprobe xen-netfront
    while ! ip link set eth0 mtu 9000 up; do sleep 0.2; done
    ip addr add 10.0.0.2/24 dev eth0
    while ! ping -c 1 -W 1 10.0.0.1; do sleep 0.2; done
    lab-udp ask 10.0.0.1:7000
    until_known guest1
    sleep 1
    omx_perf $waiting -d guest1:0 -M 4 -N 50 -P 0 --ticks --json
    xenstore-write data/done 1
fi
