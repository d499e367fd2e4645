//! The program `xl-omx` as an operator runs it, against a xenstored of the tests, with driver domains and guests that
//! answer, lie, are slow, or end.
//!
//! | file | what |
//! |---|---|
//! | `xenstored` | the daemon: its socket, watches, transactions, and what can go wrong with it |
//! | `host` | domains, and the program beside them |
//! | `again` | guests that come again: reboot, made anew, renamed |
//! | `each_for_itself` | many devices, some of which cannot be attached |
//! | `lies` | what a guest or a name says decides nothing |
//! | `successors` | a driver domain ends, and another one takes its place |
//! | `check` | everything is looked at |
//! | `xl` | what the tests have for `xl` |
//! | `waiting` | how they wait |
//! | `times` | waits that end, and what is said then |
//! | `broken` | xenstored dies, the disk is full, two at the same time |

mod again;
mod broken;
mod check;
mod each_for_itself;
mod host;
mod lies;
mod successors;
mod times;
mod waiting;
mod xenstored;
mod xl;
