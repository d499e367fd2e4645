# Each package over itself, as from one commit to the next: files that an operator has changed stay.
echo '# mine' >>/etc/xen/driver-domain.cfg
apt-get install -q -y --reinstall $(sed -n 's/^Package: //p' /srv/repository/Packages)
tail -1 /etc/xen/driver-domain.cfg | grep -q '^# mine$'
sed -i '$d' /etc/xen/driver-domain.cfg
