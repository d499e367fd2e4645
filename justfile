# The same commands under the names that `just` users expect; `cargo lab --help` shows all there are.

# Run every test there is.
test *options:
    cargo lab test {{options}}
