# dom0's part of measuring processes that poll in guests, under the deterministic clock. Prints what guest2 measured.
. /lab/parameters
. /lab/functions
kernel="console=hvc0 quiet mitigations=off tsc=reliable"
xl create /etc/xen/driver-domain.cfg 'pci=[]' 'extra="log=warn"' "$(on 1)"
xl create /etc/xen/guest.cfg 'name="guest1"' "extra=\"$kernel\"" "$(on 2)"
xl create /etc/xen/guest.cfg 'name="guest2"' "extra=\"$kernel\"" "$(on 3)"
xl-omx attach guest1 mac=00:16:3e:00:00:01
xl-omx attach guest2 mac=00:16:3e:00:00:02
own="/local/domain/$(xl domid guest2)/data"
while ! xenstore-exists "$own/done"; do sleep 1; done
grep -v '^@lab ' /var/log/xen/console/guest-guest2.log
