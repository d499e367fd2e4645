# What scripts under the deterministic clock share.
# The processor of a domain: its own, or the one that all share.
on() {
    if [ "$pinned" = yes ]; then echo "cpus=\"$1\""; else echo "cpus=\"0\""; fi
}
# In dom0: waits until a guest has said something.
until_said() {
    while ! xenstore-exists "/local/domain/$(xl domid "$1")/data/$2"; do sleep 0.2; done
}
# In a guest: waits until its board has heard of another one.
until_known() {
    while ! omx_info | grep -q " $1:0\$"; do sleep 0.2; done
}
