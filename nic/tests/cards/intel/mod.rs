//! The drivers for Intel's cards against models of the 82576 and the 82599.

pub mod bench;
mod faults;
mod strict;

use bench::ModelBench;
use mx_nic::intel::{Igb, Interrupts, Ixgbe};

use crate::scenarios::{self, Bench};

#[test]
fn every_scenario_runs_on_both_models_with_and_without_vectors() {
    for interrupts in [Interrupts::Msi, Interrupts::MsiX] {
        let mut igb = ModelBench::<Igb>::new(interrupts);
        let mut ixgbe = ModelBench::<Ixgbe>::new(interrupts);
        let benches: &mut [&mut dyn Bench] = &mut [&mut igb, &mut ixgbe];
        scenarios::table(benches);
    }
}
