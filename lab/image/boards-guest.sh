# A guest's part of measuring messages beside mini guests: guest1 answers, guest2 asks whenever dom0 says how many there are.
wait=$(sed 's/.*lab.wait=\([a-z]*\).*/\1/' /proc/cmdline)
if [ "$wait" = sleep ]; then waiting=-w; else waiting=; fi
. /lab/functions
if [ "$(hostname)" = guest1 ]; then
    omx_perf $waiting -s
else
    until_known guest1
    last=
    while true; do
        count=$(xenstore-read data/beside)
        if [ "$count" = "$last" ]; then sleep 0.2; continue; fi
        last=$count
        # What the newcomers have said has been heard then.
        sleep 2
        omx_perf $waiting -d guest1:0 -S 8 -E 9 -N 200 -W 50 -P 0 --ticks --json | sed "s/^/beside $count /"
        xenstore-write "data/measured-$count" 1
    done
fi
