//! What the engine knows, record by record. A record keeps its own rules and knows the records that it holds; it calls
//! nobody but a queue port that it is handed, and no record knows the engine.

pub mod contexts;
pub mod counts;
pub mod exported;
pub mod keys;
pub mod liveness;
pub mod outgoing;
pub mod partner;
pub mod posted;
pub mod pull;
pub mod random;
pub mod reassembly;
pub mod reorder_buffer;
pub mod request;
pub mod round_trip;
pub mod selection;
pub mod sequence;
pub mod transmit_space;
pub mod unexpected;
pub mod window;
