# A guest's part of measuring processes that poll: guest1 answers, guest2 asks, as one process of each, as two and as four,
# polling and asleep.
. /lab/functions
if [ "$(hostname)" = guest1 ]; then until_known guest2; else until_known guest1; fi
for waiting in polling asleep; do
    if [ "$waiting" = asleep ]; then how=-w; else how=; fi
    for endpoints in "3" "3 4" "3 4 5 6"; do
        # The answerers of the row before may not have made place for the next yet.
        if [ "$(hostname)" = guest2 ]; then sleep 2; fi
        for endpoint in $endpoints; do
            if [ "$(hostname)" = guest1 ]; then
                omx_perf $how -e "$endpoint" >/dev/null &
            else
                omx_perf $how -d guest1:0 -r "$endpoint" -S 1 -E 2 -N 200 -W 20 -P 0 --json >"/tmp/$endpoint" &
            fi
        done
        wait
        if [ "$(hostname)" = guest2 ]; then
            for endpoint in $endpoints; do echo "$waiting $(echo $endpoints | wc -w) $(cat /tmp/$endpoint)"; done
        fi
    done
done
if [ "$(hostname)" = guest2 ]; then xenstore-write data/done 1; fi
