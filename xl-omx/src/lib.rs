#![forbid(unsafe_code)]
//! `xl-omx`: gives guests their Open-MX devices, from dom0.
//!
//! libxl does not know this device class, so dom0 writes the two xenstore directories itself, as libxl does for
//! `vif` and `vbd`, and remembers what it attached. Its neighbours are xenstored on one side, and through xenstore the
//! driver domain (backend) and the guest's module (frontend). It refuses to touch a message, a page or an event
//! channel, and to let a guest decide: what it acts on is what it remembers in files, and what stands on the
//! backend's side of xenstore.
//!
//! | module | what |
//! |---|---|
//! | `cli` | the commands |
//! | `attach`, `detach`, `apply`, `watch` | what each of them does |
//! | `check` | what the first day needs, looked at |
//! | `job`, `hand_over` | the steps by which one device is attached, or gets another backend |
//! | `replace`, `revive` | another driver domain in the place of one that ends, or has ended |
//! | `xl`, `pciback` | what xl is asked to do, and what it waits for |
//! | `attachments`, `owner`, `escape`, `locks` | what is remembered, whose it is, names in files, and who may change them |
//! | `limits` | what a guest may have of what the driver domain shares |
//! | `inventory`, `domain`, `device`, `complaint` | what xenstore holds |
//! | `wait` | waiting for the two sides of a device |
//! | `terminal` | what a terminal sees |
//! | `xenstore` | the connection to xenstored |

pub mod apply;
pub mod attach;
pub mod attachments;
pub mod check;
pub mod cli;
mod complaint;
pub mod detach;
pub mod device;
pub mod domain;
pub mod error;
pub mod escape;
pub mod hand_over;
pub mod inventory;
pub mod job;
pub mod limits;
pub mod locks;
pub mod mac;
pub mod owner;
pub mod pciback;
pub mod plain;
pub mod replace;
pub mod revive;
pub mod state;
pub mod terminal;
pub mod wait;
pub mod watch;
pub mod xenstore;
pub mod xl;
