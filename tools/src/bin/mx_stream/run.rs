//! The two sides, as the original's tell each other (api.md §8): a direction of messages, or two at the same time.

use omx_tools::line::{Failure, Line};
use omx_tools::partner::Partner;
use omx_tools::say;

use crate::direction::{self, Done};
use crate::options::Choice;
use crate::plan::{Plan, SIZE};

/// Match info of the caller's direction, and of the other one.
const MAIN: u64 = 0x8000_0000;
const SECOND: u64 = 1;

/// Runs the tool: how many bytes were wrong.
pub fn run(choice: &Choice) -> Result<u64, Failure> {
    let line = Line::open("mx_stream", choice.mx.local(), MAIN)?;
    let (sent, received) = match &choice.mx.host {
        Some(host) => {
            let to = line.reach(host, choice.mx.remote)?;
            let plan = choice.plan;
            tell(choice, plan);
            let receive = || direction::receive(&line, &to, None, SECOND);
            let (sent, received) = together(
                &to,
                || direction::send(&line, &to, plan, MAIN),
                plan.both.then_some(receive),
            )?;
            (Some(sent), received)
        }
        None => {
            let call = line.called(SIZE)?;
            let plan = Plan::from_bytes(&call.bytes.try_into().unwrap_or([0; SIZE]));
            let to = line.call_back(call.from)?;
            tell(choice, plan);
            let send = || direction::send(&line, &to, plan, SECOND);
            let (received, sent) = together(
                &to,
                || direction::receive(&line, &to, Some(plan), MAIN),
                plan.both.then_some(send),
            )?;
            (sent, Some(received))
        }
    };
    line.settle()?;
    let mut total = 0.0;
    for (name, done) in [("Send:", sent), ("Recv:", received)] {
        if let Some(done) = done {
            total += report(choice, name, done.plan.length, rate(&done));
        }
    }
    if let (Some(done), Some(_)) = (sent, received) {
        report(choice, "Total:", done.plan.length, total);
    }
    Ok(received.map_or(0, |done| done.wrong))
}

/// Runs a direction, and another one at the same time.
fn together(
    with: &Partner<'_>,
    first: impl FnOnce() -> Result<Done, Failure>,
    second: Option<impl FnOnce() -> Result<Done, Failure> + Send>,
) -> Result<(Done, Option<Done>), Failure> {
    // What fails here is not waited for there.
    let telling = |done: Result<Done, Failure>| done.inspect_err(|_| with.fail());
    std::thread::scope(|scope| {
        let second = second.map(|second| scope.spawn(move || telling(second())));
        let first = telling(first());
        let second = second.map(|second| second.join().unwrap_or(Err(Failure::Elsewhere)));
        match (first, second.transpose()) {
            (Ok(first), Ok(second)) => Ok((first, second)),
            (Err(Failure::Elsewhere), Err(cause)) | (Err(cause), _) | (_, Err(cause)) => Err(cause),
        }
    })
}

/// Says what will be done, if that is wanted.
fn tell(choice: &Choice, plan: Plan) {
    if choice.verbose {
        let way = if plan.both { ", both ways" } else { "" };
        let said = format!("{} messages of {} bytes{way}", plan.messages, plan.length);
        say(choice.mx.json, &said);
    }
}

/// Messages a second.
fn rate(done: &Done) -> f64 {
    // A clock that does not move must not divide by zero.
    f64::from(done.plan.messages) / done.elapsed.as_secs_f64().max(1e-9)
}

/// Prints a line; the rate again.
fn report(choice: &Choice, name: &str, length: u32, rate: f64) -> f64 {
    let bandwidth = rate * f64::from(length) / 1e6;
    if choice.mx.json {
        let name = name.trim_end_matches(':').to_lowercase();
        println!(
            "{{\"direction\": \"{name}\", \"length\": {length}, \"MBps\": {bandwidth:.3}, \"messages_per_s\": {rate:.3}}}"
        );
    } else {
        println!("{name:<8}{length:>8}    {bandwidth:>5.3}    {rate:>5.3}");
    }
    rate
}
