//! NUL-padded names.

/// The text before the first NUL; bytes that are no UTF-8 are shown as such.
pub fn name(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// An address as Open-MX prints it.
pub fn address(nic_id: u64) -> String {
    let [_, _, a, b, c, d, e, f] = nic_id.to_be_bytes();
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}
