//! The texts of codes for C.

use core::ffi::CStr;

use mx_engine::Code;

/// Codes are below it.
const NUMBERS: usize = Code::ReturnCodeMax as usize + 1;
/// Bytes for a text and its end.
const ROOM: usize = 96;

/// The text of each number, which zeros follow.
static TEXTS: [[u8; ROOM]; NUMBERS] = {
    let mut texts = [[0; ROOM]; NUMBERS];
    let mut number = 0;
    while number < NUMBERS {
        if let Some(code) = Code::from_number(number as u32) {
            let text = code.text().as_bytes();
            assert!(text.len() < ROOM, "a longer text needs more room");
            let (start, _) = texts[number].split_at_mut(text.len());
            start.copy_from_slice(text);
        }
        number += 1;
    }
    texts
};

/// What `omx_strerror` says.
pub fn c_text(code: Code) -> &'static CStr {
    CStr::from_bytes_until_nul(&TEXTS[code as usize]).unwrap_or(c"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_text_in_c() {
        let codes: Vec<Code> = (0..1000).filter_map(Code::from_number).collect();
        assert!(codes.len() > 30, "only {} codes", codes.len());
        for code in codes {
            assert_eq!(c_text(code).to_str(), Ok(code.text()));
        }
    }
}
