# What a machine has: files with owner and mode, what is in /etc, users, groups, packages. Left out is what apt and dpkg keep for
# themselves, caches, logs, the files by which users are locked and kept a second time, and what other packages keep once they have
# been used: depmod's indices, the machine's key of dkms, a lock of systemd-analyze; and the trial's own networks.
{
    find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /srv -o -path /root -o -path /var/cache \
        -o -path /var/log -o -path /var/lib/apt -o -path /var/lib/dpkg \) -prune -o -printf '%p %M %u %g %l\n' |
        grep -v -e '^/etc/\(passwd\|group\|shadow\|gshadow\|subuid\|subgid\)- ' -e '^/etc/.pwd.lock ' -e '^/etc/ld.so.cache ' \
            -e '^/usr/lib/modules/[^/]*/modules[.][^/]* ' -e '^/var/lib/dkms/mok[.]' -e '^/run/systemd/systemd-units-load ' -e '^/run/netns[/ ]'
    find /etc -type f ! -name '*-' ! -name ld.so.cache ! -name .pwd.lock -exec sha256sum {} +
    getent passwd
    getent group
    dpkg-query -W -f '${Package} ${db:Status-Status}\n'
} | sort >"/var/cache/listing-$WHEN"
