//! Calls that look and do not wait, made again and again by programs that wait nevertheless.

/// Fruitless looks between two turns of what else is to be done.
const ROUND: u32 = 16;

/// The looks of such calls at one endpoint.
#[derive(Debug, Default)]
pub struct Polling {
    /// Looks since something was found.
    fruitless: u32,
}

impl Polling {
    /// A call has looked. Whether the other endpoints of the process are to get their turn.
    pub fn looked(&mut self, found: bool) -> bool {
        if found {
            self.fruitless = 0;
            return false;
        }
        self.fruitless = self.fruitless.wrapping_add(1);
        self.fruitless.is_multiple_of(ROUND)
    }
}
