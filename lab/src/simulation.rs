//! How a program of `tests/sim`, the simulated network, is built and run.

/// Arguments of `cargo`; those of the program follow.
pub const fn arguments(program: &str) -> [&str; 8] {
    [
        "run",
        "--quiet",
        "--release",
        "--package",
        "sim",
        "--bin",
        program,
        "--",
    ]
}
