//! Bytes as a sequence of choices. When they are used up, every further choice is 0.

/// What is left of an input.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let bytes = self.bytes(N);
        array[..bytes.len()].copy_from_slice(bytes);
        array
    }

    pub fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub fn word(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub fn double(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    /// A number, small ones as likely as large ones.
    pub fn size(&mut self) -> u32 {
        let shift = self.byte() % 33;
        self.double().checked_shr(shift.into()).unwrap_or(0)
    }

    /// Up to that many bytes.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// Up to as many bytes as the next byte says, and `most`.
    pub fn piece(&mut self, most: usize) -> &'a [u8] {
        let count = usize::from(self.byte());
        self.bytes(count.min(most))
    }
}
