# Two omxd at the ends of a pair of interfaces, as the service runs them: their user, one capability. The example, built as a user
# would, greets from one to the other; then lengths are measured.
cd /root
id omxd >/dev/null
cc -Wall -Werror -o hello /usr/share/doc/libopen-mx-dev/examples/hello.c $(pkg-config --cflags --libs myriexpress)
cc -Wall -Werror -o hello-static /usr/share/doc/libopen-mx-dev/examples/hello.c $(pkg-config --cflags myriexpress) \
    -Wl,-Bstatic -lmyriexpress -Wl,-Bdynamic -lgcc_s -lpthread -lm -ldl
pkg-config --exists open-mx
ldd hello | grep -q libopen-mx.so.0
if ldd hello-static | grep libopen-mx; then
    exit 1
fi

at() {
    node=$1
    shift
    OMX_SOCKET=/run/open-mx/$node.sock timeout 120 "$@"
}
# Waits for what a command succeeds at.
soon() {
    tries=300
    until "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ]
        sleep 0.1
    done
}
sees() {
    at "$1" omx_info | grep -q "$2:0"
}

for node in a b; do
    ip netns add "$node"
done
ip link add eth1 mtu 9000 netns a type veth peer name eth1 mtu 9000 netns b
for node in a b; do
    ip -n "$node" link set eth1 up
    ip netns exec "$node" setpriv --reuid=omxd --regid=omxd --clear-groups --no-new-privs --inh-caps=-all,+net_raw \
        --ambient-caps=-all,+net_raw --bounding-set=-all,+net_raw \
        omxd --interface eth1 --name "$node" --socket "/run/open-mx/$node.sock" &
done
for node in a b; do
    soon [ -S "/run/open-mx/$node.sock" ]
done
soon sees a b
soon sees b a

at a ./hello >hello.a &
hello=$!
soon grep -q waits hello.a
at b ./hello-static a:0
wait "$hello"
grep -q 'hello from b:0' hello.a

at a omx_perf >perf.a &
perf=$!
soon grep -q Successfully perf.a
at b omx_perf -d a:0 -E 65537 -M 16 -N 100
wait "$perf"
at a omx_info
