# DKMS has built the module for the kernel whose headers are there.
dkms status
dkms status -m open-mx-frontend | grep -q ': installed'
module=$(find /lib/modules -name 'open-mx-frontend.ko*')
modinfo -F vermagic "$module"
getent group open-mx >/dev/null
! command -v cargo
