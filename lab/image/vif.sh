#!/bin/sh
# The hotplug script of an ordinary vif: says that it is there; whoever uses it sets its address.
xenstore-write "$XENBUS_PATH/hotplug-status" connected
