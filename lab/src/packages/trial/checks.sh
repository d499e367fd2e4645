# What Debian's own tools say of packages, units, manual pages and completions.
cd /srv/packages
lintian --allow-root --fail-on error -- *.deb
systemd-analyze verify --man=no omxd@eth1.service xl-omx-watch.service
# 49 is 4.9: "OK".
systemd-analyze security --offline=yes --threshold=49 --no-pager omxd@eth1.service
systemd-analyze security --offline=yes --no-pager xl-omx-watch.service | tail -1
for package in open-mx-tools omxd xl-omx open-mx-driver-domain; do
    for page in $(dpkg -L "$package" | grep '/man/.*gz$'); do
        # One that is another one's has a line that names it, and nothing else.
        zcat "$page" | sed 's|^[.]so .*|.TH OF-ANOTHER 1|' | mandoc -T lint -W error
    done
done
bash=/usr/share/bash-completion
bash -n "$bash/completions/xl-omx"
bash -c ". $bash/bash_completion; . $bash/completions/xl-omx; complete -p xl-omx"
zsh -n /usr/share/zsh/vendor-completions/_xl-omx
