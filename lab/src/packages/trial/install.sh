# By apt, from a repository: nothing else may be needed than what is there.
mkdir /srv/repository
cd /srv/repository
cp /srv/packages/*.deb .
apt-ftparchive packages . >Packages
echo "deb [trusted=yes] file:/srv/repository ./" >/etc/apt/sources.list.d/packages.list
apt-get update -q -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/packages.list -o Dir::Etc::sourceparts=-
apt-get install -q -y --no-install-recommends $(sed -n 's/^Package: //p' Packages)
