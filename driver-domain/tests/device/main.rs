//! A device against guests' kernels of all kinds: honest ones, wrong ones, and ones that write anything.

mod answers;
mod honest;
mod limits;
mod numbers;
mod random;
mod raw;
mod world;
mod wrong;
