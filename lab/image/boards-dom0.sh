# dom0's part of measuring messages beside mini guests that have nothing to do, under the deterministic clock. Prints what
# guest2 measured beside each number of them.
. /lab/parameters
. /lab/functions
# Where all domains share a processor, a driver domain that polls keeps it from those that it polls for.
if [ "$wait" = sleep ]; then idle=0; else idle=50; fi
kernel="console=hvc0 quiet mitigations=off tsc=reliable lab.wait=$wait"
xl create /etc/xen/driver-domain.cfg 'pci=[]' "extra=\"log=warn idle=$idle guests=256\"" "$(on 1)"
xl create /etc/xen/guest.cfg 'name="guest1"' "extra=\"$kernel\"" "$(on 2)"
xl create /etc/xen/guest.cfg 'name="guest2"' "extra=\"$kernel\"" "$(on 3)"
xl-omx attach guest1 mac=00:16:3e:00:00:01
xl-omx attach guest2 mac=00:16:3e:00:00:02
minis=0
for count in $counts; do
    first=$((minis + 1))
    while [ "$minis" -lt "$count" ]; do
        minis=$((minis + 1))
        # Nobody waits for its end: so many programs would take dom0's memory.
        xl create -e -q /etc/xen/mini.cfg "name=\"mini$minis\"" "$(on 0)"
        xl-omx attach --timeout 0 "mini$minis" "mac=$(printf 00:16:3e:00:01:%02x "$minis")" >/dev/null
    done
    for mini in $(seq "$first" "$count"); do until_said "mini$mini" mini/report; done
    xenstore-write "/local/domain/$(xl domid guest2)/data/beside" "$count"
    until_said guest2 "measured-$count"
done
grep -v '^@lab ' /var/log/xen/console/guest-guest2.log
