//! What strangers do on the network, as fast as their line is, costs time and nothing else.

use sim::soak::{Plan, run};

/// Frames that strangers send in each millisecond: more than a line of 10 Gbit/s takes, their mean length being more than 1500
/// bytes.
const LINE_RATE: u32 = 1000;

#[test]
fn every_message_arrives_once_whole_and_in_order_whatever_strangers_send_at_line_rate() {
    for (seed, loss) in [(1, 0), (2, 3)] {
        let plan = Plan {
            long: 1,
            takeovers: None,
            messages: 500,
            loss,
            strangers: LINE_RATE,
            seed,
        };
        let report = run(&plan, |_| {}).expect("nobody is disturbed");
        assert_eq!(report.messages, plan.messages);
        let (sent, got) = report.strangers;
        println!(
            "{sent} frames of strangers, {got} answers, {:?}",
            report.virtual_time
        );
    }
}
