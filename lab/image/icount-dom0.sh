# dom0's part of the measurement under the deterministic clock: two guests, and netfront and netback between them.
# Prints what guest2 measured.
. /lab/parameters
. /lab/functions
# Where all domains share a processor, a driver domain that polls keeps it from those that it polls for.
if [ "$wait" = sleep ]; then idle=0; else idle=50; fi
kernel="console=hvc0 quiet mitigations=off tsc=reliable lab.wait=$wait"
xl create /etc/xen/driver-domain.cfg 'pci=[]' "extra=\"log=warn idle=$idle\"" "$(on 1)"
xl create /etc/xen/guest.cfg 'name="guest1"' 'driver_domain=1' "extra=\"$kernel\"" "$(on 2)"
until_said guest1 ready
xl create /etc/xen/guest.cfg 'name="guest2"' 'vif=["backend=guest1,mac=00:16:3e:00:01:02"]' \
    "extra=\"$kernel\"" "$(on 3)"
xl-omx attach guest1 mac=00:16:3e:00:00:01
xl-omx attach guest2 mac=00:16:3e:00:00:02
until_said guest2 done
grep -v '^@lab ' /var/log/xen/console/guest-guest2.log
