# dom0's part of measuring what a reader of /metrics costs, under the deterministic clock: two guests, and a driver
# domain whose page is read from outside while dom0 sleeps. Says when to read, and prints what guest2 measured.
. /lab/parameters
until_said() {
    path="/local/domain/$(xl domid "$1")/data/$2"
    while ! xenstore-exists "$path"; do sleep 0.5; done
}
kernel="console=hvc0 quiet mitigations=off tsc=reliable lab.messages=$messages"
xl pci-assignable-add 00:05.0
xl create /etc/xen/driver-domain.cfg "extra=\"log=warn idle=50 $manage\"" 'cpus="1"'
xl create /etc/xen/guest.cfg 'name="guest1"' "extra=\"$kernel\"" 'cpus="2"'
xl create /etc/xen/guest.cfg 'name="guest2"' "extra=\"$kernel\"" 'cpus="3"'
xl-omx attach guest1 mac=00:16:3e:00:00:01
xl-omx attach guest2 mac=00:16:3e:00:00:02
for phase in quiet read quiet-again; do
    until_said guest2 "before-$phase"
    echo "phase: $phase"
    xenstore-write "/local/domain/$(xl domid guest2)/data/go-$phase" 1
    until_said guest2 "after-$phase"
done
echo "phase: end"
grep -v '^@lab ' /var/log/xen/console/guest-guest2.log
