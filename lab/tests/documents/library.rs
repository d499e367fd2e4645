//! All texts of the repository, and what is wrong with their citations.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::citations::Text;
use crate::markdown::Page;

/// Folders without texts of the repository.
const LEFT_OUT: [&str; 2] = ["target", ".git"];

/// Text files by their paths below the root.
pub struct Library {
    texts: BTreeMap<PathBuf, Text>,
    pages: BTreeMap<PathBuf, Page>,
    /// Every file and folder.
    paths: BTreeSet<PathBuf>,
    /// Long names in source files, where tests are made by macros, too.
    names: BTreeSet<String>,
}

impl Library {
    /// Reads every text file below `root`.
    pub fn read(root: &Path) -> Self {
        let mut library = Self {
            texts: BTreeMap::new(),
            pages: BTreeMap::new(),
            paths: BTreeSet::new(),
            names: BTreeSet::new(),
        };
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(&folder).expect("a readable folder");
            for entry in entries {
                let path = entry.expect("a readable entry").path();
                let name = path.file_name().unwrap_or_default().to_os_string();
                if LEFT_OUT.iter().any(|&out| name == *out) || path.is_symlink() {
                    continue;
                }
                let below = path
                    .strip_prefix(root)
                    .expect("below the root")
                    .to_path_buf();
                library.paths.insert(below.clone());
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(text) = fs::read_to_string(&path) {
                    library.add(below, &text);
                }
            }
        }
        library
    }

    /// Takes files by their paths and texts.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let mut library = Self {
            texts: BTreeMap::new(),
            pages: BTreeMap::new(),
            paths: files.iter().map(|&(path, _)| path.into()).collect(),
            names: BTreeSet::new(),
        };
        for &(path, text) in files {
            library.add(path.into(), text);
        }
        library
    }

    fn add(&mut self, path: PathBuf, text: &str) {
        if path.extension().is_some_and(|extension| extension == "md") {
            self.pages.insert(path.clone(), Page::read(text));
        }
        let code = |extension: &OsStr| ["rs", "c", "h"].iter().any(|code| extension == *code);
        if path.extension().is_some_and(code) {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let names = words.filter(|word| is_name(word));
            self.names.extend(names.map(str::to_owned));
        }
        // Most files cite nothing.
        if text.contains('§') || text.contains(".md") || text.contains("architecture D") {
            self.texts.insert(path, Text::new(text));
        }
    }

    /// The document in `docs` that a word means.
    fn document(&self, word: &str) -> Option<PathBuf> {
        let path = Path::new("docs").join(format!("{word}.md"));
        self.pages.contains_key(&path).then_some(path)
    }

    /// Each citation of a section: where, the document, the number.
    fn cited(&self) -> impl Iterator<Item = (String, PathBuf, String)> {
        self.texts.iter().flat_map(move |(path, text)| {
            let own = match text.adopted() {
                Some(word) => self.document(word),
                None => (path.starts_with("docs") && self.pages.contains_key(path))
                    .then(|| path.clone()),
            };
            text.sections().into_iter().filter_map(move |section| {
                // Another standard's, as in "82576 §8.2" or "virtio 1.2 §2.7".
                let foreign = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
                let document = match self.document(&section.after) {
                    Some(named) => named,
                    None if foreign(&section.after) => return None,
                    None => own.clone()?,
                };
                let place = format!("{}:{}", path.display(), section.line);
                Some((place, document, section.number))
            })
        })
    }

    /// How many sections are cited.
    pub fn sections_cited(&self) -> usize {
        self.cited().count()
    }

    /// Cited sections that no heading has.
    pub fn missing_sections(&self) -> Vec<String> {
        let has = |document: &Path, number: &String| self.pages[document].numbers.contains(number);
        let missing = self
            .cited()
            .filter(|(_, document, number)| !has(document, number));
        let line = |(place, document, number): (String, PathBuf, String)| {
            let document = document.display();
            format!("{place}: {document} has no section or decision {number}")
        };
        missing.map(line).collect()
    }

    /// Cited Markdown files that are not there: neither beside who cites them, nor below the root or `docs`.
    pub fn missing_documents(&self) -> Vec<String> {
        let mut all = Vec::new();
        for (path, text) in &self.texts {
            let folder = path.parent().unwrap_or(Path::new(""));
            for (line, cited) in text.documents() {
                let places = [folder, Path::new(""), Path::new("docs")];
                if !places.iter().any(|place| self.has(&place.join(cited))) {
                    all.push(format!("{}:{line}: there is no {cited}", path.display()));
                }
            }
        }
        all
    }

    fn has(&self, path: &Path) -> bool {
        normal(path).is_some_and(|path| path.as_os_str().is_empty() || self.paths.contains(&path))
    }

    /// Files and tests that a page names in backticks and that are not there. A path is what begins with a folder of the
    /// root, a test what has five words or more.
    pub fn missing_names(&self) -> Vec<String> {
        let missing = |code: &str| {
            let word = |c: char| c.is_ascii_alphanumeric() || ['_', '-', '.', '/'].contains(&c);
            let first = code.split('/').next().unwrap_or_default();
            if !code.chars().all(word) {
                false
            } else if code.contains('/') {
                self.has(Path::new(first)) && !first.is_empty() && !self.has(Path::new(code))
            } else {
                is_name(code) && !self.names.contains(code)
            }
        };
        let mut all = Vec::new();
        for (path, page) in &self.pages {
            let missing = page.codes.iter().filter(|code| missing(code));
            all.extend(missing.map(|code| format!("{}: there is no {code}", path.display())));
        }
        all
    }

    /// How many tests and files are named.
    pub fn names(&self) -> usize {
        let named = |code: &&String| code.contains('/') || is_name(code);
        let codes = self.pages.values().flat_map(|page| &page.codes);
        codes.filter(named).count()
    }

    fn all_links(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.pages.iter().flat_map(|(path, page)| {
            let own = page.links.iter().filter(|link| !link.contains("://"));
            own.map(move |link| (path.as_path(), link.as_str()))
        })
    }

    /// How many links lead into the repository.
    pub fn links(&self) -> usize {
        self.all_links().count()
    }

    /// Links whose file or heading is not there.
    pub fn broken_links(&self) -> Vec<String> {
        let problem = |(path, link): (&Path, &str)| {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.to_path_buf(),
                file => path.parent().unwrap_or(Path::new("")).join(file),
            };
            let tell = |what: &str| Some(format!("{}: {link}: {what}", path.display()));
            if !self.has(&target) {
                return tell("there is no such file");
            }
            let target = normal(&target)?;
            let known = |page: &Page| page.anchors.iter().any(|known| known == anchor);
            if anchor.is_empty() || self.pages.get(&target).is_some_and(known) {
                return None;
            }
            tell(&format!("{} has no such heading", target.display()))
        };
        self.all_links().filter_map(problem).collect()
    }
}

/// Whether a word may be a test's name: five words or more in small letters, and none of the interface's.
fn is_name(word: &str) -> bool {
    let interface = word.starts_with("omx_") || word.starts_with("mx_");
    let small = !word.contains(|c: char| c.is_ascii_uppercase());
    word.matches('_').count() >= 4 && small && !interface
}

/// A path without `.` and `..`; none when it leaves the repository.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => normal.push(name),
            Component::CurDir => {}
            Component::ParentDir if normal.pop() => {}
            _ => return None,
        }
    }
    Some(normal)
}
