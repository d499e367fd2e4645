#![no_main]
//! One fuzz target under libFuzzer: the one that the variable `OMX_FUZZ_TARGET` names. `cargo lab fuzz --guided` builds it
//! so that it counts branches, and runs it; without that it searches blindly.

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use omx_fuzz::{TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("OMX_FUZZ_TARGET").unwrap_or_default();
    let target = TARGETS.iter().find(|target| target.name == name);
    target.expect("OMX_FUZZ_TARGET names a target: `cargo lab fuzz --list` says which there are")
});

fuzz_target!(|input: &[u8]| {
    (TARGET.run)(input);
});
