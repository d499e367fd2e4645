# The same commands under the names that `just` users expect; `cargo lab --help` shows all there are.

# Boot Xen in QEMU and run messages between a node and two guests.
demo *options:
    cargo lab demo {{options}}

# Run every test there is.
test *options:
    cargo lab test {{options}}
