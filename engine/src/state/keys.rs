//! The names of records: a key of a record that is gone finds nothing, whoever has its place by now.

use slotmap::{Key, KeyData};

slotmap::new_key_type! {
    /// Names a partner for as long as the endpoint is open; it is never another's later.
    pub struct PartnerKey;
    /// A request of the application.
    pub struct RequestKey;
    /// A message on its way out.
    pub struct OutgoingKey;
    /// A message that came before its receive.
    pub struct UnexpectedKey;
}

impl PartnerKey {
    /// As a number of 32 bits. Partners stay for the life of their endpoint, so the place says it all.
    pub fn number(self) -> u32 {
        self.data().as_ffi() as u32
    }

    /// From its number. One that is no partner's is found out when it is used.
    pub fn from_number(number: u32) -> Self {
        const FIRST_USE: u64 = 1 << 32;
        KeyData::from_ffi(FIRST_USE | u64::from(number)).into()
    }
}
