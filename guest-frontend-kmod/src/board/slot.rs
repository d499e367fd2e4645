//! The place of an endpoint.

use alloc::vec::Vec;

use crate::endpoint::GrantedEndpoint;
use crate::endpoint_id::EndpointId;
use crate::errno::Errno;
use crate::kernel::Kernel;

/// No endpoint, or one in memory of its own: most indices are never open. (A vector of at most one, since `Box` cannot be
/// allocated fallibly.)
pub struct Slot<K: Kernel>(Vec<GrantedEndpoint<K>>);

impl<K: Kernel> Slot<K> {
    /// No endpoint.
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// Allocates room for [`Self::put`].
    pub fn reserve(&mut self) -> Result<(), Errno> {
        self.0.try_reserve_exact(1).map_err(|_| Errno::NO_MEMORY)
    }

    /// Puts an endpoint where [`Self::reserve`] found room.
    pub fn put(&mut self, endpoint: GrantedEndpoint<K>) {
        self.0.push(endpoint);
    }

    /// Whoever has the place.
    pub fn any(&mut self) -> Option<&mut GrantedEndpoint<K>> {
        self.0.first_mut()
    }

    /// This endpoint, and no other use of its index.
    pub fn find(&mut self, id: EndpointId) -> Option<&mut GrantedEndpoint<K>> {
        self.any()
            .filter(|endpoint| endpoint.incarnation == id.incarnation)
    }

    /// Takes the endpoint out, and frees its place.
    pub fn take(&mut self) -> Option<GrantedEndpoint<K>> {
        core::mem::take(&mut self.0).pop()
    }
}
