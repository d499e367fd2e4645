# By apt, from a repository: nothing else may be needed than what is there.
mkdir /root/repository
cd /root/repository
cp /srv/packages/*.deb .
apt-ftparchive packages . >Packages
echo "deb [trusted=yes] file:/root/repository ./" >/etc/apt/sources.list.d/packages.list
chmod 755 /root /root/repository
apt-get update -q -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/packages.list -o Dir::Etc::sourceparts=-
apt-get install -q -y --no-install-recommends $(sed -n 's/^Package: //p' Packages)
