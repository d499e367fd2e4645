//! QEMU's monitor (QMP): what happens to the machine from outside, as pulling its card's cable.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{At, Error};

/// The name of the card's wire in QEMU.
pub const WIRE: &str = "wire";

/// How long QEMU may take to answer.
const LIMIT: Duration = Duration::from_secs(20);

/// Plugs the cable of the card in, or pulls it.
pub fn set_link(socket: &Path, up: bool) -> Result<(), Error> {
    let stream = UnixStream::connect(socket).at("connect to", socket)?;
    stream.set_read_timeout(Some(LIMIT)).at("set up", socket)?;
    let mut answers = BufReader::new(stream.try_clone().at("read", socket)?);
    // It speaks of commands only to those who say that they know of its capabilities.
    ask(
        &stream,
        &mut answers,
        socket,
        &json!({"execute": "qmp_capabilities"}),
    )?;
    let arguments = json!({"name": WIRE, "up": up});
    let command = json!({"execute": "set_link", "arguments": arguments});
    ask(&stream, &mut answers, socket, &command)
}

fn ask(
    mut stream: &UnixStream,
    answers: &mut impl BufRead,
    socket: &Path,
    command: &Value,
) -> Result<(), Error> {
    writeln!(stream, "{command}").at("write to", socket)?;
    let mut line = String::new();
    loop {
        line.clear();
        if answers.read_line(&mut line).at("read", socket)? == 0 {
            return Err(Error::Monitor(format!("{command}: QEMU has ended")));
        }
        if let Some(answer) = answer(&line) {
            return answer.map_err(|why| Error::Monitor(format!("{command}: {why}")));
        }
    }
}

/// What a line says of a command: nothing if it is a greeting or tells an event.
fn answer(line: &str) -> Option<Result<(), String>> {
    let value: Value = serde_json::from_str(line).ok()?;
    if value.get("return").is_some() {
        return Some(Ok(()));
    }
    let why = value.get("error")?.get("desc").and_then(Value::as_str);
    Some(Err(why.unwrap_or("an error without a word").to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_from_greetings_and_events() {
        assert_eq!(answer(r#"{"QMP": {"version": {}}}"#), None);
        assert_eq!(answer(r#"{"event": "NIC_RX_FILTER_CHANGED"}"#), None);
        assert_eq!(answer("no JSON"), None);
        assert_eq!(answer(r#"{"return": {}}"#), Some(Ok(())));
        let refused = r#"{"error": {"class": "DeviceNotFound", "desc": "Device 'x' not found"}}"#;
        assert_eq!(answer(refused), Some(Err("Device 'x' not found".into())));
    }
}
