# A guest's part of measuring what a reader of /metrics costs: guest1 answers, guest2 asks, while nobody reads, while
# somebody does, and while nobody does.
until_known() {
    while ! omx_info | grep -q " $1:0\$"; do sleep 0.2; done
}
if [ "$(hostname)" = guest1 ]; then
    until_known guest2
    while :; do omx_perf; done
else
    until_known guest1
    own="/local/domain/$(xenstore-read domid)/data"
    for phase in quiet read quiet-again; do
        xenstore-write "$own/before-$phase" 1
        while ! xenstore-exists "$own/go-$phase"; do sleep 0.1; done
        # The one of the phase before may not have made place for the next yet.
        sleep 2
        omx_perf -d guest1:0 -S 0 -E 1 -N "$(sed 's/.*lab.messages=\([0-9]*\).*/\1/' /proc/cmdline)" -W 1000 -P 0 --ticks --json
        xenstore-write "$own/after-$phase" 1
    done
fi
