//! The guest's module against a driver domain that answers, lies and writes as it likes, between calls of processes.

use mx_ring::control::{BOARD_PAGE, STAGING_REFS, Status};

use crate::input::Input;
use run::{Run, Step};

// The kernel and the backend of the module's own tests.
#[path = "../../../../../guest-frontend-kmod/tests/logic/guest.rs"]
#[allow(dead_code, reason = "the step-by-step tests use the rest")]
pub mod guest;
#[path = "../../../../../guest-frontend-kmod/tests/logic/model.rs"]
#[allow(dead_code, reason = "the step-by-step tests use the rest")]
pub mod model;
#[path = "../../../../../guest-frontend-kmod/tests/logic/ordered.rs"]
pub mod ordered;
#[path = "../../../../../guest-frontend-kmod/tests/logic/run.rs"]
mod run;

/// What the model's locks are made of.
pub mod sync {
    pub use std::sync::Mutex;
    pub use std::thread_local;
}

/// Steps of a run at most.
const STEPS: u32 = 600;

fn step(input: &mut Input<'_>) -> Step {
    let choice = input.byte();
    let odd = input.byte();
    let nth = usize::from(odd % 8);
    match choice % 22 {
        0 => Step::Open {
            endpoint: (odd < 128).then_some(odd % 4),
        },
        1 | 2 => {
            let pages = match odd {
                250..=252 => STAGING_REFS,
                253..=255 => 2 * STAGING_REFS + 1,
                _ => 1 + usize::from(odd) / 6,
            };
            let writable = choice < 128;
            Step::Register {
                nth,
                pages,
                writable,
                reserve: choice > 204,
            }
        }
        3 => Step::Deregister { nth },
        4 => Step::Close { nth },
        5 => Step::KillWaiter { nth },
        6 => Step::PollWaiters,
        7 | 8 => Step::BackendTakes { count: 1 + nth },
        9..=11 => {
            const REFUSALS: [Status; 6] = [
                Status::Invalid,
                Status::Busy,
                Status::NotFound,
                Status::NoSpace,
                Status::BadGrant,
                Status::Misbehaved,
            ];
            let status = match odd {
                0..192 => Status::Ok,
                _ => REFUSALS[usize::from(odd) / 8 % REFUSALS.len()],
            };
            let lie = choice > 200;
            Step::BackendAnswers { nth, status, lie }
        }
        12 => Step::BackendLetsGo,
        13 => Step::BackendSays {
            id: if choice < 200 { 0 } else { u32::from(odd) % 32 },
            endpoint: odd % 6,
        },
        14 => backend_writes(input, choice, odd),
        15 => Step::Change { nth },
        16 => Step::Use { nth },
        17 => Step::Sweep { nth },
        18 => match odd {
            0..160 => Step::Reap,
            160..190 => Step::GrantsShort {
                left: usize::from(input.byte()),
            },
            190..220 => Step::MemoryShort {
                left: usize::from(input.byte()),
            },
            220..226 => Step::Orphan,
            226..229 => Step::OrphanGrabs,
            229..235 => Step::OrphansDie,
            235..247 => Step::Succeed,
            _ => Step::Replace,
        },
        19 => Step::Sleeps { endpoint: odd % 4 },
        20 => {
            let mut bits = [0; 32];
            bits[0] = odd;
            bits[usize::from(odd) % 32] |= choice;
            Step::BackendStorms {
                bits,
                times: 1 + nth,
            }
        }
        _ => Step::ModuleResponds,
    }
}

/// Mostly the index and the entries of the ring of answers, else anything.
fn backend_writes(input: &mut Input<'_>, choice: u8, odd: u8) -> Step {
    let (page, offset) = match odd % 4 {
        0 => (1, 68),
        1 => (1, 1024 + usize::from(odd / 4) % 64 * 32),
        2 => (3, usize::from(input.word())),
        _ => (
            BOARD_PAGE + usize::from(choice / 20),
            usize::from(input.word()),
        ),
    };
    let bytes = input.piece(64).to_vec();
    Step::BackendWrites {
        page,
        offset,
        bytes,
    }
}

/// Steps in any order; the first byte says how it ends.
pub fn run(bytes: &[u8]) -> u64 {
    let mut input = Input::new(bytes);
    let orderly = input.byte().is_multiple_of(2);
    let mut run = Run::new();
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        run.go(step(&mut input));
    }
    let state = run.state();
    run.end(orderly);
    super::kind((orderly, state))
}

/// An endpoint with regions, honestly served.
pub fn seeds() -> Vec<Vec<u8>> {
    let served = [7, 7, 9, 0, 6, 0];
    let open = [&[0, 0][..], &served].concat();
    let region = [&[1, 60][..], &served].concat();
    let gone = [&[3, 0][..], &served, &[18, 0]].concat();
    let swept = [15, 0, 17, 0, 7, 7, 12, 0, 9, 0, 18, 0];
    // The second region has the first one's slot and is in use when the library looks at the first; then it changes.
    let stale_look = [16, 1, 16, 0, 15, 1, 17, 0];
    let replaced = [18, 220, 7, 1, 18, 230, 18, 240, 18, 241];
    let forged = [14, 0, 4, 1, 0, 0, 0, 19, 0];
    vec![
        [&[0][..], &open, &region, &gone].concat(),
        [&[1][..], &open, &region, &[16, 0, 15, 0, 17, 0], &served].concat(),
        [&[0][..], &open, &region, &[4, 0], &served].concat(),
        [&[0][..], &open, &region, &swept, &region, &stale_look].concat(),
        [
            &[0][..],
            &open,
            &region,
            &replaced,
            &served,
            &served,
            &served,
        ]
        .concat(),
        [&[0][..], &open, &forged].concat(),
    ]
}
