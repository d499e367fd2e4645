//! Whether MPI's `mpirun` sends by the boards, and why.

use std::process::ExitCode;

use omx_tools::json_string;
use omx_tools::mpi::conditions::{Condition, Judgement};
use omx_tools::mpi::open_mpi::OpenMpi;

/// Shows it; a failure when it does not.
pub fn show(json: bool) -> ExitCode {
    let judgement = Judgement::of(OpenMpi::ask().as_ref());
    let outcome = judgement.outcome();
    let (sends, sentence) = match &outcome {
        Ok(sentence) => (true, sentence),
        Err(sentence) => (false, sentence),
    };
    if json {
        let conditions: Vec<_> = judgement.conditions.iter().map(json_object).collect();
        println!(
            "{{\"sends_by_openmx\": {sends}, \"outcome\": {}, \"conditions\": [{}]}}",
            json_string(sentence),
            conditions.join(", ")
        );
    } else {
        for condition in &judgement.conditions {
            show_condition(condition);
        }
        println!("{sentence}.");
    }
    match sends {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn show_condition(condition: &Condition) {
    let Condition {
        name,
        found,
        way_out,
    } = condition;
    let mark = if way_out.is_none() { "fine" } else { "WRONG" };
    println!("{mark:<6} {name:<10} {found}");
    if let Some(way_out) = way_out {
        println!("       do:        {way_out}");
    }
}

fn json_object(condition: &Condition) -> String {
    let way_out = condition.way_out.as_deref();
    format!(
        "{{\"name\": {}, \"fine\": {}, \"found\": {}, \"do\": {}}}",
        json_string(condition.name),
        way_out.is_none(),
        json_string(&condition.found),
        way_out.map_or_else(|| "null".to_owned(), json_string)
    )
}
