//! Within a crate no files import each other in a circle: whoever reads one of them need not have read all others. The face
//! of a folder (`mod.rs`, `lib.rs`) may be used by what it joins.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where a file is among the modules of its crate: `a/b.rs` and `a/b/mod.rs` are both `["a", "b"]`.
type Module = Vec<String>;

/// The sources below a folder, without unit tests and programs.
fn sources(folder: &Path, module: &Module, found: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name == "bin" || name.ends_with("tests") {
            continue;
        }
        let mut inner = module.clone();
        if path.is_dir() {
            inner.push(name);
            sources(&path, &inner, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "main" {
            if name != "mod" && name != "lib" {
                inner.push(name);
            }
            let source = fs::read_to_string(&path).unwrap();
            let product = source.split("#[cfg(test)]\nmod tests {").next();
            found.insert(inner, product.unwrap_or_default().to_owned());
        }
    }
}

/// The paths of `a::{b, c::{d, e}}`.
fn paths(tree: &str) -> Vec<String> {
    let Some((head, rest)) = tree.split_once('{') else {
        return vec![tree.trim().to_owned()];
    };
    let inside = rest.trim_end().strip_suffix('}').unwrap_or(rest);
    let (mut depth, mut start, mut all) = (0, 0, Vec::new());
    for (at, letter) in inside.char_indices().chain([(inside.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let parts = paths(&inside[start..at]);
                all.extend(parts.iter().map(|part| format!("{}{part}", head.trim())));
                start = at + 1;
            }
            _ => {}
        }
    }
    all
}

/// The paths that a source imports.
fn imports(source: &str) -> Vec<String> {
    let statements = source.split("\nuse ").skip(1);
    let public = source.split(" use ").skip(1);
    statements
        .chain(public)
        .filter_map(|rest| rest.split_once(';'))
        .flat_map(|(tree, _)| paths(tree))
        .collect()
}

/// The file of the crate that a path leads to from a module.
fn target(path: &str, from: &Module, all: &BTreeMap<Module, String>) -> Option<Module> {
    let mut parts = path.split("::").peekable();
    let mut place = match *parts.peek()? {
        "crate" => Module::new(),
        _ => from.clone(),
    };
    while let Some(part) = parts.next_if(|part| ["crate", "self", "super"].contains(part)) {
        if part == "super" {
            place.pop();
        }
    }
    for part in parts {
        place.push(part.to_owned());
        if !all.contains_key(&place) {
            place.pop();
            break;
        }
    }
    (!from.starts_with(&place)).then_some(place)
}

/// The files that lead back to themselves.
fn in_circles(all: &BTreeMap<Module, String>) -> Vec<String> {
    let arrows: BTreeMap<&Module, BTreeSet<Module>> = all
        .iter()
        .map(|(from, source)| {
            let targets = imports(source);
            let targets = targets.iter().filter_map(|path| target(path, from, all));
            (from, targets.collect())
        })
        .collect();
    let leads_back = |start: &Module| {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&Module> = arrows[start].iter().collect();
        while let Some(module) = next.pop() {
            if seen.insert(module) {
                next.extend(&arrows[module]);
            }
        }
        seen.contains(start)
    };
    let circular = all.keys().filter(|module| leads_back(module));
    circular.map(|module| module.join("::")).collect()
}

/// The folders of sources of the workspace: each crate's, those of its programs and of its integration tests, which are
/// crates of their own.
fn folders(root: &Path) -> Vec<PathBuf> {
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    let mut folders = Vec::new();
    for member in members {
        let member = root.join(member.as_str().unwrap());
        for programs in ["src/bin", "tests"] {
            let programs = fs::read_dir(member.join(programs)).into_iter().flatten();
            let programs = programs.map(|entry| entry.unwrap().path());
            folders.extend(programs.filter(|program| program.join("main.rs").exists()));
        }
        folders.push(member.join("src"));
    }
    folders
}

#[test]
fn no_files_of_a_crate_import_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = folders(&root);
    let mut circular = Vec::new();
    for folder in &folders {
        let mut all = BTreeMap::new();
        sources(folder, &Module::new(), &mut all);
        let name = folder.strip_prefix(&root).unwrap().display();
        let files = in_circles(&all).into_iter();
        circular.extend(files.map(|file| format!("{name}: {file}")));
    }
    assert!(circular.is_empty(), "{circular:#?}");
    assert!(
        folders.len() > 40,
        "only {} crates were found",
        folders.len()
    );
}

#[test]
fn a_circle_is_found_however_its_files_name_each_other() {
    let circle = |a: &str, b: &str, c: &str| {
        let module = |name: &str| name.split("::").map(str::to_owned).collect::<Module>();
        let all = [("a", a), ("a::b", b), ("c", c)];
        in_circles(
            &all.map(|(name, source)| (module(name), source.to_owned()))
                .into(),
        )
    };
    let (a, c) = (
        "//! A.\n\nuse crate::{x, c::C};\n",
        "//! C.\n\nuse crate::a::b::{self, B};\n",
    );
    assert!(circle(a, "", c).is_empty());
    assert_eq!(
        circle(a, "//! B.\n\nuse super::super::c;\n", c),
        ["a::b", "c"]
    );
    assert_eq!(
        circle(a, "", "//! C.\n\npub use crate::a::A;\n"),
        ["a", "c"]
    );
    assert_eq!(
        circle(
            "//! A.\n\nuse b::B;\n",
            "//! B.\n\nuse crate::c::{\n    x,\n    C,\n};\n",
            "//! C.\n\nuse super::a::A;\n"
        ),
        ["a", "a::b", "c"]
    );
    assert!(circle("//! A.\n\nuse b::B;\n", "//! B.\n\nuse super::A;\n", "").is_empty());
}
