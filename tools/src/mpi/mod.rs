//! What decides whether Open MPI's `mpirun` sends by the provider of libfabric, `libopenmx-fi.so`.
//!
//! | file | what |
//! |---|---|
//! | `open_mpi` | what Open MPI says of itself, its parameters among it |
//! | `provider` | where libfabric looks for the provider |
//! | `conditions` | what has to be so, and whether it is |
//! | `lines` | the lines in a file of parameters that `omx_mpi_setup` writes and takes back |

pub mod conditions;
pub mod lines;
pub mod open_mpi;
pub mod provider;

/// The provider's name in libfabric.
pub const PROVIDER: &str = "openmx";

/// The layer of Open MPI that sends by libfabric, one of those called mtl.
pub const LAYER: &str = "ofi";
