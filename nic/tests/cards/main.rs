//! The drivers against cards: models of the 82576, the 82599 and of virtio-net, which misbehave when they are told to, and,
//! with `--features qemu`, the cards that QEMU has.

#[cfg(feature = "count")]
mod cost;
mod intel;
mod model;
#[cfg(feature = "qemu")]
mod qemu;
mod scenarios;
mod virtio;
