//! Hardware virtualisation, where it really works: a `/dev/kvm` that is there proves nothing, since it may boot neither
//! Xen nor a stock kernel.

use std::path::Path;

use super::{Host, HostSpec};
use crate::stage::Stage;

const DEVICE: &str = "/dev/kvm";

/// Lets the host use KVM if this very host boots under it; otherwise says why not and leaves it to software emulation.
pub fn use_if_it_boots(spec: &mut HostSpec) {
    if !Path::new(DEVICE).exists() {
        println!("  there is no {DEVICE}: software emulation");
        return;
    }
    let probe = HostSpec {
        kvm: true,
        wire: None,
        directory: spec.directory.join("kvm-probe"),
        ..spec.clone()
    };
    let stage = Stage::begin("trying to boot Xen under KVM");
    match Host::start(&probe) {
        Ok(_) => {
            spec.kvm = true;
            stage.done("it boots");
        }
        Err(_) => stage.done("it does not boot there: software emulation"),
    }
}
