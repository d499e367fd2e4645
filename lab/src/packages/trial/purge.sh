apt-get purge -q -y $(sed -n 's/^Package: //p' /srv/repository/Packages)
rm /etc/apt/sources.list.d/packages.list
