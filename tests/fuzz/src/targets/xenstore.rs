//! What other domains write into xenstore, and what the toolstack hands to the driver domain.

use driver_domain::{names, options};

/// The first byte chooses what the rest is.
pub fn run(bytes: &[u8]) -> u64 {
    let Some((choice, bytes)) = bytes.split_first() else {
        return 0;
    };
    let text = String::from_utf8_lossy(bytes);
    let answer = match choice % 4 {
        0 => {
            let place = names::place_in_path(&text, "backend/omx");
            if let Some(place) = place {
                assert!(text.starts_with(&place.directory("backend/omx")));
            }
            place.is_some()
        }
        1 => {
            let place = names::place_in_token(&text);
            if let Some(place) = place {
                assert_eq!(place.token(), text);
            }
            place.is_some()
        }
        2 => mx_wire::MacAddress::of_station(&text).is_ok(),
        _ => match options::parse(&text) {
            Ok(options) => {
                assert!((1..=256).contains(&options.endpoints));
                true
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return super::kind((choice % 4, std::mem::discriminant(&error)));
            }
        },
    };
    super::kind((choice % 4, answer, text.len().checked_ilog2()))
}

/// What the tools write.
pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        (0, "backend/omx/12/0/state"),
        (1, "12/0"),
        (2, "00:16:3e:aa:bb:01"),
        (3, "mtu=9000 wire=native log=info endpoints=32 idle=50"),
        (3, "wire=mx"),
    ];
    let seed = |(choice, text): (u8, &str)| [&[choice], text.as_bytes()].concat();
    texts.into_iter().map(seed).collect()
}
