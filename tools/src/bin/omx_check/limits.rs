//! What this process may use up, and what the machine has left (`open-mx(7)` says what needs what).

use std::fs;

use omx_output::report::Report;
use open_mx::Backend;

/// For ten endpoints, and a program's own files.
const DESCRIPTORS: u64 = 64;
/// Bytes of the files by which memory is shared with `omxd`.
const FILE: u64 = 64 << 10;
/// Bytes that a message may have before it passes in pieces; ten endpoints' queues are not longer.
const LOCKED: u64 = 1 << 20;
/// MiB for ten endpoints, and messages on the way.
const MEMORY: u64 = 64;

/// Looks at them.
pub fn look(backend: Option<&Backend>, report: &mut Report) {
    let by_omxd = !matches!(backend, Some(Backend::Device(_)));
    match fs::read_to_string("/proc/self/limits") {
        Ok(limits) => judge_limits(&limits, by_omxd, report),
        Err(error) => report.unknown("limits", None, error.to_string(), "mount /proc"),
    }
    match fs::read_to_string("/proc/meminfo")
        .ok()
        .as_deref()
        .and_then(available)
    {
        Some(mebibytes) => judge_memory(mebibytes, report),
        None => report.unknown("memory", None, "/proc/meminfo does not say", "mount /proc"),
    }
}

fn judge_limits(limits: &str, by_omxd: bool, report: &mut Report) {
    let all = [
        (
            "Max open files",
            "open files",
            DESCRIPTORS,
            "ulimit -n",
            true,
        ),
        ("Max file size", "file size", FILE, "ulimit -f", by_omxd),
        (
            "Max locked memory",
            "locked memory",
            LOCKED,
            "ulimit -l",
            !by_omxd,
        ),
        (
            "Max address space",
            "addresses",
            MEMORY << 20,
            "ulimit -v",
            true,
        ),
    ];
    for (line, of, least, command, matters) in all {
        match soft(limits, line) {
            _ if !matters => {}
            None => report.unknown("limit", Some(of), "/proc/self/limits does not say", command),
            Some(limit) if limit >= least => {
                let shown = if limit == u64::MAX { "none".to_owned() } else { limit.to_string() };
                report.fine("limit", Some(of), shown);
            }
            Some(limit) => report.to_do(
                "limit",
                Some(of),
                format!("{limit}, and {least} are good for ten endpoints"),
                format!("allow more: {command}, limits.conf, or Limit…= of the service; open-mx(7) says what needs it"),
            ),
        }
    }
}

/// The soft limit of a line; the greatest number where there is none.
fn soft(limits: &str, line: &str) -> Option<u64> {
    let rest = limits.lines().find_map(|text| text.strip_prefix(line))?;
    match rest.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// MiB that programs may have still.
fn available(meminfo: &str) -> Option<u64> {
    let rest = meminfo
        .lines()
        .find_map(|text| text.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = rest.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes >> 10)
}

fn judge_memory(mebibytes: u64, report: &mut Report) {
    let found = format!("{mebibytes} MiB available");
    if mebibytes >= MEMORY {
        report.fine("memory", None, found);
    } else {
        let advice = "give the machine more, or end what has it: an endpoint needs about 5 MiB, and up to twice a long message";
        report.to_do("memory", None, found, advice);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: &str = "\
Limit                     Soft Limit           Hard Limit           Units     \n\
Max file size             unlimited            unlimited            bytes     \n\
Max open files            1024                 1048576              files     \n\
Max locked memory         8388608              8388608              bytes     \n\
Max address space         unlimited            unlimited            bytes     \n";

    fn judged(limits: &str, by_omxd: bool) -> String {
        let mut report = Report::default();
        judge_limits(limits, by_omxd, &mut report);
        report.text()
    }

    #[test]
    fn usual_limits_are_fine_and_those_that_do_not_matter_are_left_out() {
        let omxd = judged(LIMITS, true);
        assert_eq!(
            omxd,
            "fine     limit open files: 1024\nfine     limit file size: none\nfine     limit addresses: none\n"
        );
        let module = judged(LIMITS, false);
        assert!(module.contains("limit locked memory: 8388608"), "{module}");
        assert!(!module.contains("file size"), "{module}");
    }

    #[test]
    fn each_limit_that_is_too_low_is_told_with_the_command_that_shows_it() {
        for (old, new, command) in [
            ("1024 ", "63 ", "ulimit -n"),
            (
                "size             unlimited",
                "size             65535",
                "ulimit -f",
            ),
            (
                "space         unlimited",
                "space         67108863",
                "ulimit -v",
            ),
        ] {
            let said = judged(&LIMITS.replacen(old, new, 1), true);
            assert!(said.contains("to do ") && said.contains(command), "{said}");
        }
        let said = judged(&LIMITS.replace("8388608", "65536"), false);
        assert!(said.contains("ulimit -l"), "{said}");
        assert!(judged("", true).contains("unknown  limit open files"));
    }

    proptest! {
        #[test]
        fn whatever_stands_there_is_a_number_or_none(text in any::<String>(), value in any::<String>()) {
            for text in [text, format!("Max open files {value}"), format!("MemAvailable: {value}")] {
                let (limit, memory) = (soft(&text, "Max open files"), available(&text));
                prop_assert!(limit.is_none() || text.starts_with("Max open files") || text.contains('\n'));
                prop_assert!(memory.is_none_or(|mebibytes| mebibytes <= u64::MAX >> 10));
            }
        }
    }

    #[test]
    fn memory_is_what_programs_may_have_still() {
        assert_eq!(
            available("MemTotal: 9 kB\nMemAvailable:   66559 kB\n"),
            Some(64)
        );
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable: x\n"), None);
        for (mebibytes, word) in [(64, "fine "), (63, "to do ")] {
            let mut report = Report::default();
            judge_memory(mebibytes, &mut report);
            assert!(report.text().starts_with(word));
        }
    }
}
