//! What nobody's console may hold, whatever the guests do.

use super::domains::Minis;
use crate::demo::fabric::Fabric;
use crate::error::Error;
use crate::scenario::judge::expect;
use crate::scenario::logs;

/// Words of Xen when it has found something wrong with itself.
const OF_XEN: [&str; 3] = ["Xen BUG", "Xen WARN", "FATAL"];

/// Looks at all of them.
pub fn judge(fabric: &Fabric<'_>, minis: &Minis) -> Result<(), Error> {
    expect(fabric.driver_domain()?.is_some(), || {
        "the driver domain is gone".into()
    })?;
    logs::judge(fabric, &["dom0", "guest1", "guest2"], 0)?;
    for mini in minis.iter() {
        logs::judge_program(fabric, &mini.name, 0)?;
    }
    let xen = fabric.dom0(&["xl", "dmesg"])?;
    let bad = logs::lines_with(&xen, &OF_XEN);
    expect(bad.is_empty(), || format!("Xen says:\n{}", bad.join("\n")))
}
