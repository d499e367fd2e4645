//! The lines in a file of Open MPI's parameters that `omx_mpi_setup` writes and takes back. They stand between two comments;
//! whatever else the file holds stays as it is, byte by byte.

use std::path::Path;

use super::{LAYER, PROVIDER};

const BEGIN: &str =
    "# >>> omx_mpi_setup: MPI sends by Open-MX (omx_mpi_setup --undo takes these lines back)";
const END: &str = "# <<< omx_mpi_setup";

/// A file in which only one of the two comments stands, or the second one before the first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {0}, a comment of omx_mpi_setup, stands there without the other one: take the lines of omx_mpi_setup out by hand"
)]
pub struct Torn(usize);

/// The lines by which Open MPI of this major version sends by the provider; which variable the ranks get when the provider
/// is in a folder of its own.
pub fn wanted(major: u32, folder: Option<&Path>) -> Vec<String> {
    let mut lines = vec![
        format!("mtl = {LAYER}"),
        format!("opal_common_ofi_provider_include = {PROVIDER}"),
    ];
    if let Some(folder) = folder {
        let variable = format!("FI_PROVIDER_PATH={}", folder.display());
        // Open MPI 4 refuses a list of variables here together with mpirun's -x; Open MPI 5 does not know the option here.
        lines.push(match major {
            4 => format!("-x {variable}"),
            _ => format!("mca_base_env_list = {variable}"),
        });
    }
    lines
}

/// The file with these lines at its end, where they count more than what stands before them.
pub fn with(file: &[u8], lines: &[String]) -> Result<Vec<u8>, Torn> {
    let mut new = without(file)?;
    let ended = new.last().is_none_or(|last| *last == b'\n');
    if !ended {
        new.push(b'\n');
    }
    let text = [&[BEGIN.to_owned()], lines, &[END.to_owned()]].concat();
    new.extend_from_slice(text.join("\n").as_bytes());
    // A last line that was not ended is not to be ended when these are taken back: the file is a package's.
    if ended {
        new.push(b'\n');
    }
    Ok(new)
}

/// The file without them.
pub fn without(file: &[u8]) -> Result<Vec<u8>, Torn> {
    let mut new = Vec::with_capacity(file.len());
    let mut begun = None;
    for (index, line) in file.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let text = line.trim_ascii();
        let (begins, ends) = (text == BEGIN.as_bytes(), text == END.as_bytes());
        match begun {
            None if begins => begun = Some(number),
            None if ends => return Err(Torn(number)),
            None => new.extend_from_slice(line),
            Some(first) if begins => return Err(Torn(first)),
            Some(_) if ends => {
                begun = None;
                if !line.ends_with(b"\n") && new.ends_with(b"\n") {
                    new.pop();
                }
            }
            Some(_) => {}
        }
    }
    begun.map_or(Ok(new), |first| Err(Torn(first)))
}

/// The variable that ranks get by an option `-x` in a file of parameters, which Open MPI 4 heeds; the last one counts.
pub fn variable(file: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(file);
    let mut values = text.lines().filter_map(|line| {
        let option = line.trim().strip_prefix("-x")?;
        let option = option.strip_prefix(char::is_whitespace)?;
        let value = option.trim().strip_prefix(name)?.strip_prefix('=')?;
        Some(value.to_owned())
    });
    values.next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<String> {
        wanted(4, None)
    }

    #[test]
    fn what_is_written_twice_is_as_written_once_and_what_is_taken_back_leaves_what_was_there() {
        for before in [&b""[..], b"a = 1", b"# mine\nmtl = tcp\n", b"\xff\xfe\n\n"] {
            let once = with(before, &lines()).unwrap();
            assert_eq!(with(&once, &lines()).unwrap(), once);
            assert_eq!(without(&once).unwrap(), before);
            assert_eq!(without(before).unwrap(), before);
        }
        let unended = with(b"btl = self", &lines()).unwrap();
        assert!(unended.starts_with(b"btl = self\n# >>> "));
        assert!(unended.ends_with(b"\n# <<< omx_mpi_setup"));
    }

    #[test]
    fn lines_that_come_later_stay_and_count_less_than_those_written_anew() {
        let mut file = with(b"a = 1\n", &lines()).unwrap();
        file.extend_from_slice(b"mtl = tcp\n");
        let anew = with(&file, &lines()).unwrap();
        assert!(anew.starts_with(b"a = 1\nmtl = tcp\n# >>> "));
        assert_eq!(without(&file).unwrap(), b"a = 1\nmtl = tcp\n");
    }

    #[test]
    fn nothing_is_taken_out_of_a_file_in_which_a_comment_is_missing() {
        for (torn, line) in [
            (format!("a = 1\n{BEGIN}\nb = 2\n"), 2),
            (format!("{END}\n"), 1),
            (format!("{BEGIN}\n{BEGIN}\n{END}\n"), 1),
        ] {
            assert_eq!(without(torn.as_bytes()), Err(Torn(line)));
            assert_eq!(with(torn.as_bytes(), &lines()), Err(Torn(line)));
        }
    }

    #[test]
    fn each_open_mpi_gets_the_line_about_a_folder_that_it_heeds() {
        let folder = Some(Path::new("/opt/omx"));
        assert_eq!(wanted(4, folder)[2], "-x FI_PROVIDER_PATH=/opt/omx");
        let five = "mca_base_env_list = FI_PROVIDER_PATH=/opt/omx";
        assert_eq!(wanted(5, folder)[2], five);
        let file = with(b"-x FI_PROVIDER_PATH=/old\n", &wanted(4, folder)).unwrap();
        let found = variable(&file, "FI_PROVIDER_PATH");
        assert_eq!(found.as_deref(), Some("/opt/omx"));
        assert_eq!(
            variable(b"-xFI_A=1\n-x FI_AB=1\n#-x FI_A=1\n", "FI_A"),
            None
        );
    }
}
