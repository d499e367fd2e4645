//! A driver domain that lies to a guest, which has an honest one beside it: a mini guest in that role.

use std::time::{Duration, Instant};

use super::domains::value;
use crate::demo::fabric::Fabric;
use crate::demo::stage;
use crate::error::Error;
use crate::scenario::judge::{exchange, expect, wait_until};
use crate::scenario::leaks::Holdings;
use crate::scenario::logs;

const LIMIT: Duration = Duration::from_secs(120);
/// Interrupts that a storm may cost a guest in a second, of any number of events.
const INTERRUPTS: f64 = 2_000.0;
/// How long a process tries to use the board.
const USE: Duration = Duration::from_secs(1);

const CREATE: &str = "xl create -q /etc/xen/mini.cfg \"name='liar'\" \"extra='backend'\" 'cpus=\"2-3\"' \
    && xl domid liar";
/// Interrupts of the module's boards so far.
const COUNT: &str = "grep open-mx /proc/interrupts";

/// Attaches a guest to it as well, so many times, and looks what that does. It does nothing that ends a device in every
/// first of two lives.
pub fn run(fabric: &Fabric<'_>, lives: u64) -> Result<(), Error> {
    let before = Holdings::take(fabric)?;
    stage(
        "a driver domain lies to guest1, beside verified exchanges",
        || {
            let liar = fabric.dom0(&["sh", "-c", CREATE])?;
            let report = format!("/local/domain/{}/data/mini/report", liar.trim());
            let told = || fabric.try_dom0(&["xenstore-read", &report]);
            wait_until(LIMIT, "it is ready", || {
                Ok(told()?.text().starts_with("ready"))
            })?;
            let interrupts = interrupts(fabric)?;
            let begun = Instant::now();
            for _ in 0..lives {
                let attach = [
                    "xl-omx",
                    "attach",
                    "--timeout",
                    "0",
                    "guest1",
                    "backend=liar",
                ];
                fabric.dom0(&attach)?;
                use_it(fabric)?;
                exchange(fabric, "guest1", "guest2")?;
                exchange(fabric, "node1", "guest1")?;
                fabric.dom0(&["xl-omx", "detach", "--force", "guest1", "1"])?;
            }
            let mut said = String::new();
            wait_until(LIMIT, "it has served each device", || {
                said = told()?.text();
                Ok(value(&said, "lives").is_ok_and(|served| served >= lives))
            })?;
            let seconds = begun.elapsed().as_secs_f64();
            let taken = self::interrupts(fabric)? - interrupts;
            println!(
                "    {}, in {seconds:.0} s beside {} verified exchanges",
                said.trim(),
                2 * lives
            );
            println!("    {taken} interrupts in guest1");
            expect(taken as f64 / seconds < INTERRUPTS, || {
                format!("{taken} interrupts in {seconds:.0} s are too many")
            })
        },
    )?;
    stage(
        "it is destroyed: messages go on, and nothing is left",
        || {
            fabric.dom0(&["xl", "destroy", "liar"])?;
            fabric.dom0(&["xl-omx", "apply"])?;
            exchange(fabric, "guest1", "guest2")?;
            logs::judge(fabric, &["dom0", "guest1", "guest2"], 0)?;
            before.judge(fabric)
        },
    )?;
    println!("{}", before.text());
    Ok(())
}

/// A process that opens an endpoint of the board, if it gets one, and is killed.
fn use_it(fabric: &Fabric<'_>) -> Result<(), Error> {
    let process = fabric.start_program("guest1", &["omx_verify", "-w", "-b", "1", "-e", "3"])?;
    std::thread::sleep(USE);
    process.kill()
}

fn interrupts(fabric: &Fabric<'_>) -> Result<u64, Error> {
    let text = fabric
        .start_program("guest1", &["sh", "-c", COUNT])?
        .finish(LIMIT)?;
    let lines = text.lines();
    let counts = lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    Ok(counts.sum())
}
