//! `omx_mpi_setup` and `omx_info --mpi` with an Open MPI that is played: what is written where, and what is said of it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;

const INFO: &str = env!("CARGO_BIN_EXE_omx_info");
const SETUP: &str = env!("CARGO_BIN_EXE_omx_mpi_setup");

const LINES: &str = "mtl = ofi\nopal_common_ofi_provider_include = openmx\n";

/// A node of the tests, for ranks to send by.
fn socket() -> &'static PathBuf {
    static SOCKET: OnceLock<PathBuf> = OnceLock::new();
    SOCKET.get_or_init(|| {
        let place = std::env::temp_dir().join(format!("open-mx-mpi-{}", std::process::id()));
        fs::create_dir_all(&place).expect("a directory");
        let socket = place.join("omxd.sock");
        mx_testnode::of_two_boards(&socket);
        socket
    })
}

/// A machine with a home, an Open MPI, and a folder that has the provider.
struct Machine {
    root: TempDir,
}

impl Machine {
    /// With this version of Open MPI, which says these parameters: component, name, value, source.
    fn new(version: &str, parameters: &[(&str, &str, &str, &str)]) -> Self {
        let machine = Self {
            root: TempDir::new().expect("a directory"),
        };
        for folder in ["home", "bin", "provider", "etc"] {
            fs::create_dir(machine.path(folder)).expect("a directory");
        }
        fs::write(machine.path("provider/libopenmx-fi.so"), b"\x7fELF...").expect("written");
        let files = format!(
            "{},{}",
            machine.file().display(),
            machine.path("etc/openmpi-mca-params.conf").display()
        );
        let mut said = format!(
            "ident:{version}\nmca:mtl:ofi:version:\"component:{version}\"\n\
             mca:pml:cm:version:\"component:{version}\"\n\
             mca:mca:base:param:mca_base_param_files:value:{files}\n"
        );
        for (component, name, value, source) in parameters {
            said += &format!("mca:{component}:param:{name}:value:{value}\n");
            said += &format!("mca:{component}:param:{name}:source:{source}\n");
        }
        machine.program("mpirun", &format!("mpirun (Open MPI) {version}\n"));
        machine.program("ompi_info", &said);
        machine
    }

    /// With one whose lines are written, and which finds nothing else.
    fn ready(version: &str) -> Self {
        Self::new(version, &READY)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A program that says this.
    fn program(&self, name: &str, said: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\ncat <<'END'\n{said}END\n")).expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("changed");
    }

    /// The user's file of parameters.
    fn file(&self) -> PathBuf {
        self.path("home/.openmpi/mca-params.conf")
    }

    /// Makes that file.
    fn has(&self, content: &str) {
        fs::create_dir_all(self.path("home/.openmpi")).expect("a directory");
        fs::write(self.file(), content).expect("written");
    }

    fn content(&self) -> String {
        fs::read_to_string(self.file()).expect("a file")
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        let mut command = Command::new(program);
        command.args(arguments).env_clear().env("PATH", path);
        command.env("HOME", self.path("home"));
        command.env("OMX_SOCKET", socket());
        command.env("FI_PROVIDER_PATH", self.path("provider"));
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let output = self.command(program, arguments).output();
        output.expect("a program that starts")
    }

    /// What a program prints that succeeds.
    fn printed(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    /// What a program says that fails.
    fn refused(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
        text(&output.stderr)
    }
}

const READY: [(&str, &str, &str, &str); 3] = [
    ("pml:base", "pml", "^ucx", "file (/etc/system.conf:69)"),
    ("mtl:base", "mtl", "ofi", "file (/home/own.conf:2)"),
    (
        "mtl:ofi",
        "mtl_ofi_provider_include",
        "openmx",
        "file (/home/own.conf:3)",
    ),
];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    let name = |entry: fs::DirEntry| text(entry.file_name().as_encoded_bytes());
    entries.map(name).collect()
}

#[test]
fn lines_are_written_once_and_taken_back_and_what_else_stands_there_stays() {
    let machine = Machine::ready("4.1.4");
    let before = "# mine\nbtl = self";
    machine.has(before);
    let file = machine.file();
    fs::set_permissions(&file, Permissions::from_mode(0o640)).expect("changed");
    // Only root can give it to somebody else; anybody keeps it.
    let _ = chown(&file, Some(12_345), Some(12_346));
    let owner = |data: fs::Metadata| (data.uid(), data.gid(), data.mode() & 0o7777);
    let old = owner(fs::metadata(&file).expect("a file"));
    let said = machine.printed(SETUP, &[]);
    assert!(said.contains("\n  mtl = ofi\n"), "{said}");
    assert!(said.ends_with("\nmpirun will send by openmx.\n"), "{said}");
    let written = machine.content();
    assert!(
        written.starts_with("# mine\nbtl = self\n# >>> "),
        "{written}"
    );
    assert!(written.contains(LINES), "{written}");
    let data = fs::metadata(&file).expect("a file");
    let place = data.ino();
    assert_eq!(owner(data), old);
    let again = machine.printed(SETUP, &[]);
    assert!(again.contains(" has these lines already:\n"), "{again}");
    assert_eq!(fs::metadata(&file).expect("a file").ino(), place);
    assert_eq!(machine.content(), written);
    machine.printed(SETUP, &["--undo"]);
    assert_eq!(machine.content(), before);
    let said = machine.printed(SETUP, &["--undo"]);
    assert!(said.ends_with(" has no lines of omx_mpi_setup\n"), "{said}");
    assert_eq!(names(&machine.path("home/.openmpi")), ["mca-params.conf"]);
}

#[test]
fn a_file_that_holds_nothing_else_comes_and_goes_with_the_lines() {
    let machine = Machine::ready("5.0.11");
    machine.printed(SETUP, &["--undo"]);
    assert!(!machine.path("home/.openmpi").exists());
    machine.printed(SETUP, &[]);
    assert!(machine.content().contains(LINES));
    machine.printed(SETUP, &["--undo"]);
    assert!(!machine.file().exists());
}

#[test]
fn a_symbolic_link_stays_and_the_file_behind_it_is_written() {
    let machine = Machine::ready("4.1.4");
    machine.has("");
    let real = machine.path("etc/mine.conf");
    fs::rename(machine.file(), &real).expect("renamed");
    symlink(&real, machine.file()).expect("a link");
    machine.printed(SETUP, &[]);
    assert!(fs::read_to_string(&real).expect("a file").contains(LINES));
    machine.printed(SETUP, &["--undo"]);
    assert_eq!(fs::read(&real).expect("a file"), b"");
    assert!(machine.file().is_symlink());
    fs::remove_file(&real).expect("removed");
    let said = machine.refused(SETUP, &[]);
    assert!(said.contains("cannot be read: No such file"), "{said}");
}

#[test]
fn on_a_full_disk_the_old_file_stays_and_nothing_beside_it() {
    let machine = Machine::ready("4.1.4");
    machine.has("btl = self\n");
    // No file may get longer than nothing, which fails as a full disk does.
    let limited = ["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\"", SETUP];
    let said = machine.refused("sh", &limited);
    assert!(
        said.contains("mca-params.conf cannot be written: "),
        "{said}"
    );
    assert_eq!(machine.content(), "btl = self\n");
    assert_eq!(names(&machine.path("home/.openmpi")), ["mca-params.conf"]);
}

#[test]
fn what_is_no_file_or_has_half_of_the_lines_is_left_as_it_is() {
    let machine = Machine::ready("4.1.4");
    machine.printed(SETUP, &[]);
    let torn = machine
        .content()
        .replace("# <<< omx_mpi_setup\n", "mine = 1\n");
    machine.has(&torn);
    for arguments in [&[][..], &["--undo"]] {
        let said = machine.refused(SETUP, arguments);
        assert!(
            said.contains(": line 1, a comment of omx_mpi_setup"),
            "{said}"
        );
        assert_eq!(machine.content(), torn);
    }
    fs::remove_file(machine.file()).expect("removed");
    let made = Command::new("mkfifo").arg(machine.file()).status();
    assert!(made.expect("started").success());
    let said = machine.refused(SETUP, &[]);
    assert!(said.contains("it is not a regular file"), "{said}");
}

#[test]
fn for_all_users_the_lines_go_to_the_file_that_open_mpi_reads_for_all() {
    let machine = Machine::ready("4.1.4");
    let file = machine.path("etc/openmpi-mca-params.conf");
    let before = "mtl = ^ofi\n";
    fs::write(&file, before).expect("written");
    machine.printed(SETUP, &["--system"]);
    let written = fs::read_to_string(&file).expect("a file");
    assert!(
        written.starts_with(before) && written.contains(LINES),
        "{written}"
    );
    assert!(!machine.path("home/.openmpi").exists());
    machine.printed(SETUP, &["--system", "--undo"]);
    assert_eq!(fs::read_to_string(&file).expect("a file"), before);
}

#[test]
fn the_folder_of_the_provider_goes_to_the_ranks_as_each_open_mpi_heeds_it() {
    for (version, begin) in [("4.1.4", "-x "), ("5.0.11", "mca_base_env_list = ")] {
        let machine = Machine::ready(version);
        let folder = machine.path("provider");
        let name = folder.to_str().expect("a plain path");
        machine.printed(SETUP, &["--provider", name]);
        let line = format!("\n{begin}FI_PROVIDER_PATH={name}\n");
        assert!(machine.content().contains(&line), "{}", machine.content());
    }
}

#[test]
fn a_folder_that_ranks_could_not_be_given_is_refused() {
    let list = |value| {
        let list = ("mca:base", "mca_base_env_list", value, "environment");
        let parameters = [&READY[..], &[list]].concat();
        Machine::new("4.1.4", &parameters)
    };
    let machine = list("");
    let odd = machine.path("with space");
    fs::create_dir(&odd).expect("a directory");
    fs::copy(
        machine.path("provider/libopenmx-fi.so"),
        odd.join("libopenmx-fi.so"),
    )
    .expect("copied");
    for (folder, why) in [
        (odd, "has other characters"),
        (machine.path("etc"), "there is no libopenmx-fi.so in"),
    ] {
        let folder = folder.to_str().expect("a plain path");
        let said = machine.refused(SETUP, &["--provider", folder]);
        assert!(said.contains(why), "{said}");
    }
    assert!(!machine.file().exists());
    let machine = list("MINE=1");
    let folder = machine.path("provider");
    let folder = folder.to_str().expect("a plain path");
    let said = machine.refused(SETUP, &["--provider", folder]);
    assert!(
        said.contains("mca_base_env_list is set (the environment)"),
        "{said}"
    );
    assert!(!machine.file().exists());
}

#[test]
fn without_open_mpi_or_a_home_nothing_is_written_but_lines_are_taken_back() {
    let machine = Machine::ready("4.1.4");
    machine.printed(SETUP, &[]);
    let written = machine.content();
    let without = |arguments: &[&str]| {
        let mut command = machine.command(SETUP, arguments);
        command.env("PATH", "/nowhere").output().expect("started")
    };
    let output = without(&[]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("apt install openmpi-bin"), "{said}");
    assert_eq!(machine.content(), written);
    assert!(without(&["--undo"]).status.success());
    assert!(!machine.file().exists());
    let mut homeless = machine.command(SETUP, &[]);
    let output = homeless.env_remove("HOME").output().expect("started");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("HOME is not set"));
}

#[test]
fn what_wins_over_the_lines_is_told_when_they_are_written() {
    let mtl = ("mtl:base", "mtl", "^ofi", "environment");
    let machine = Machine::new("4.1.4", &[READY[0], mtl, READY[2]]);
    let output = machine.run(SETUP, &[]);
    assert!(output.status.success());
    let said = text(&output.stderr);
    let why = "WARNING: mpirun will not send by openmx, because of mtl: ^ofi (the environment);";
    assert!(said.starts_with(why), "{said}");
    assert!(machine.content().contains(LINES));
}

#[test]
fn omx_info_says_for_each_condition_that_it_is_met_or_what_to_do() {
    let machine = Machine::ready("4.1.4");
    let said = machine.printed(INFO, &["--mpi"]);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 7, "{said}");
    assert!(
        lines[..6].iter().all(|line| line.starts_with("fine ")),
        "{said}"
    );
    assert_eq!(lines[6], "mpirun will send by openmx.");
    let json = machine.printed(INFO, &["--mpi", "--json"]);
    assert!(json.starts_with("{\"sends_by_openmx\": true, "), "{json}");
    assert_eq!(json.matches("\"fine\": true, ").count(), 6, "{json}");
}

#[test]
fn omx_info_names_what_keeps_mpirun_from_the_boards() {
    let place = "file (/etc/openmpi/openmpi-mca-params.conf:67)";
    let include = "mtl_ofi_provider_include";
    let exclude = |value| ("mtl:ofi", "mtl_ofi_provider_exclude", value, "default");
    let fours = "shm,sockets,tcp,udp,rstream,usnic";
    // Parameters in place of those that are ready, a variable, the condition, what to do.
    let wrong = [
        (
            vec![("mtl:base", "mtl", "^ofi", place)],
            ("A", ""),
            "mtl",
            "omx_mpi_setup",
        ),
        (
            vec![("mtl:base", "mtl", "psm2", "environment")],
            ("OMPI_MCA_mtl", "psm2"),
            "mtl",
            "unset OMPI_MCA_mtl",
        ),
        (
            vec![("pml:base", "pml", "ob1", "environment")],
            ("OMPI_MCA_pml", "ob1"),
            "pml",
            "unset OMPI_MCA_pml",
        ),
        (
            vec![("pml:base", "pml", "^cm", place)],
            ("A", ""),
            "pml",
            "take it out of /etc/openmpi/openmpi-mca-params.conf:67",
        ),
        (
            vec![("mtl:ofi", include, "tcp", "environment")],
            ("OMPI_MCA_mtl_ofi_provider_include", "tcp"),
            "providers",
            "unset OMPI_MCA_mtl_ofi_provider_include",
        ),
        (
            vec![("mtl:ofi", include, "", "default"), exclude(fours)],
            ("A", ""),
            "providers",
            "omx_mpi_setup",
        ),
        (
            vec![],
            ("FI_PROVIDER", "tcp"),
            "libfabric",
            "unset FI_PROVIDER",
        ),
        (
            vec![],
            ("FI_PROVIDER", "^openmx"),
            "libfabric",
            "unset FI_PROVIDER",
        ),
        (
            vec![],
            ("FI_PROVIDER_PATH", "/nowhere"),
            "provider",
            "put it there",
        ),
        (vec![], ("OMX_SOCKET", "/nowhere"), "board", "start omxd"),
    ];
    for (instead, (variable, value), name, way_out) in wrong {
        let others = READY.iter().filter(|(_, ready, ..)| {
            let mut instead = instead.iter();
            instead.all(|(_, name, ..)| name != ready)
        });
        let parameters: Vec<_> = others.chain(&instead).copied().collect();
        let machine = Machine::new("4.1.4", &parameters);
        let mut command = machine.command(INFO, &["--mpi"]);
        let output = command.env(variable, value).output().expect("started");
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let lines: Vec<_> = said.lines().collect();
        let begin = format!("WRONG  {name:<10} ");
        let at = lines.iter().position(|line| line.starts_with(&begin));
        let at = at.unwrap_or_else(|| panic!("{name} in {said}"));
        assert!(lines[at + 1].trim_start().starts_with("do: "), "{said}");
        assert!(lines[at + 1].contains(way_out), "{way_out} in {said}");
        let others = lines.iter().filter(|line| line.starts_with("WRONG"));
        assert_eq!(others.count(), 1, "{said}");
        let reason = format!("mpirun will not send by openmx, because of {name}: ");
        assert!(lines[lines.len() - 1].starts_with(&reason), "{said}");
    }
}

#[test]
fn open_mpi_5_sends_by_a_provider_that_it_is_not_told() {
    let exclude = "shm,sockets,tcp,udp,rstream,usnic,net";
    let parameters = [
        ("pml:base", "pml", "", "default"),
        ("mtl:base", "mtl", "", "default"),
        ("mtl:ofi", "mtl_ofi_provider_include", "", "default"),
        ("mtl:ofi", "mtl_ofi_provider_exclude", exclude, "default"),
    ];
    let machine = Machine::new("5.0.11", &parameters);
    let said = machine.printed(INFO, &["--mpi"]);
    assert!(said.ends_with("\nmpirun will send by openmx.\n"), "{said}");
}

#[test]
fn a_job_that_would_end_with_an_error_is_told_from_one_that_takes_something_else() {
    let pml = ("pml:base", "pml", "cm", "environment");
    let machine = Machine::new("4.1.4", &[pml, READY[1], READY[2]]);
    let alternative = "; it takes what else it finds, as shared memory and TCP";
    for (machine, otherwise) in [
        (machine, "; since pml is cm, it ends with an error"),
        (Machine::ready("4.1.4"), alternative),
    ] {
        let mut command = machine.command(INFO, &["--mpi"]);
        let output = command.env("OMX_SOCKET", "/nowhere").output();
        let said = text(&output.expect("started").stdout);
        assert!(said.contains(otherwise), "{said}");
    }
}

#[test]
fn the_ranks_folder_in_a_file_counts_more_than_the_variable() {
    let machine = Machine::ready("4.1.4");
    let named = machine.path("nothing-here");
    machine.has(&format!("-x FI_PROVIDER_PATH={}\n", named.display()));
    let output = machine.run(INFO, &["--mpi"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    let place = format!("(-x FI_PROVIDER_PATH in {})", machine.file().display());
    assert!(said.contains(&place), "{said}");
}

#[test]
fn variables_that_ranks_get_in_two_ways_are_told_where_open_mpi_ends_at_them() {
    for (version, wrong) in [("4.1.4", true), ("5.0.11", false)] {
        let list = ("mca:base", "mca_base_env_list", "MINE=1", "environment");
        let machine = Machine::new(version, &[&READY[..], &[list]].concat());
        let folder = machine.path("provider");
        machine.has(&format!("-x FI_PROVIDER_PATH={}\n", folder.display()));
        let mut command = machine.command(INFO, &["--mpi"]);
        let command = command.env("OMPI_MCA_mca_base_env_list", "MINE=1");
        let output = command.output().expect("started");
        let said = text(&output.stdout);
        assert_eq!(output.status.success(), !wrong, "{said}");
        let way_out = "unset OMPI_MCA_mca_base_env_list\n";
        assert_eq!(said.contains(way_out), wrong, "{said}");
        assert_eq!(
            said.ends_with("; it ends with an error.\n"),
            wrong,
            "{said}"
        );
    }
}

#[test]
fn lines_for_open_mpi_5_are_replaced_by_those_for_open_mpi_4() {
    let five = Machine::ready("5.0.11");
    let folder = five.path("provider");
    let folder = folder.to_str().expect("a plain path");
    five.printed(SETUP, &["--provider", folder]);
    let value = format!("FI_PROVIDER_PATH={folder}");
    let list = (
        "mca:base",
        "mca_base_env_list",
        &*value,
        "file (/own.conf:4)",
    );
    let four = Machine::new("4.1.4", &[&READY[..], &[list]].concat());
    four.has(&five.content());
    four.run(SETUP, &["--provider", folder]);
    let content = four.content();
    assert!(content.contains(&format!("\n-x {value}\n")), "{content}");
    assert!(!content.contains("mca_base_env_list"), "{content}");
}
