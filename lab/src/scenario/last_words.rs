//! What a driver domain that fails leaves behind, on a real Xen: the registers of a trap and a panic's message in its
//! log, the registers of a stack that grew too far in Xen's.

use std::time::Duration;

use crate::demo::stage;
use crate::error::Error;
use crate::host::{Host, HostSpec, Images};
use crate::place;
use crate::scenario::judge::wait_until;
use crate::stall_timeout;

const LIMIT: Duration = Duration::from_secs(60);

/// The values that the self-test puts into registers, as the dump shows them.
const REGISTERS: [&str; 14] = [
    "rax 1111111111111111",
    "rbx 2222222222222222",
    "rcx 3333333333333333",
    "rdx 4444444444444444",
    "rsi 5555555555555555",
    "rdi 6666666666666666",
    "r8  8888888888888888",
    "r9  9999999999999999",
    "r10 aaaaaaaaaaaaaaaa",
    "r11 bbbbbbbbbbbbbbbb",
    "r12 cccccccccccccccc",
    "r13 dddddddddddddddd",
    "r14 eeeeeeeeeeeeeeee",
    "r15 00000dead0000000",
];

/// Creates a driver domain for each fault and looks at what it left.
pub fn run(images: Images) -> Result<(), Error> {
    let spec = HostSpec::new(images, place::work().join("host"));
    let host = stage("booting Xen in QEMU", || Host::start(&spec))?;
    stage("a trap leaves every register on the console", || {
        create(&host, "trap")?;
        let mut words = vec!["TRAP 14: page fault", "address 0xdead0000000"];
        words.extend(REGISTERS);
        // The call chain: `fail` and what called it.
        words.push("called from ffffffff8");
        wait_for(&host, LOG, &words)
    })?;
    stage("a panic leaves its message on the console", || {
        create(&host, "panic")?;
        let words = ["PANIC panicked at", "the self-test asked for a panic"];
        wait_for(&host, LOG, &words)
    })?;
    stage(
        "an overflow of the stack leaves its registers in xl dmesg",
        || {
            create(&host, "stack")?;
            wait_for(&host, XEN_LOG, &["crashed on cpu", "rsp: ffffffff8"])
        },
    )
}

const LOG: &[&str] = &["cat", "/var/log/xen/console/guest-driver-domain.log"];
const XEN_LOG: &[&str] = &["xl", "dmesg"];

/// Waits until there is no driver domain.
fn gone(host: &Host) -> Result<(), Error> {
    let command = ["xl", "domid", "driver-domain"];
    let what = "a driver domain that ended goes away";
    wait_until(LIMIT, what, || {
        Ok(host.exec("dom0", &command, LIMIT)?.status != 0)
    })?;
    Ok(())
}

/// Creates a driver domain with this self-test, or none. The one before must have gone.
fn create(host: &Host, fault: &str) -> Result<(), Error> {
    gone(host)?;
    let extra = match fault {
        "" => String::from("extra=\"\""),
        fault => format!("extra=\"self-test={fault}\""),
    };
    let config = "/etc/xen/driver-domain.cfg";
    dom0(host, &["xl", "create", config, &extra, "pci=[]"])
}

/// Runs a command of dom0 that has to end well.
fn dom0(host: &Host, command: &[&str]) -> Result<(), Error> {
    host.exec("dom0", command, LIMIT)?
        .expect_success("dom0", command)
        .map(drop)
}

/// Waits until what a command of dom0 prints holds all of these words.
fn wait_for(host: &Host, command: &[&str], words: &[&str]) -> Result<(), Error> {
    let what = format!("{} shows {words:?}", command.join(" "));
    stall_timeout::wait_until(LIMIT, &what, || {
        let text = host.exec("dom0", command, LIMIT)?.text();
        let all = words.iter().all(|word| text.contains(word));
        Ok(if all { Ok(()) } else { Err(text) })
    })?;
    Ok(())
}
