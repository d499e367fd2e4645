//! The tree of a xenstore for tests: values, owners, and who may do what, as xenstored has them.

use std::collections::{BTreeMap, BTreeSet};

/// One entry of a node's list of permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// `n`one, `r`ead, `w`rite or `b`oth. In the first entry it is what all others may; that one names the owner.
    pub access: char,
    /// Of whom.
    pub domain: u32,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it holds.
    pub value: Vec<u8>,
    /// The owner first.
    pub permissions: Vec<Permission>,
}

impl Node {
    fn allows(&self, domain: u32, wanted: char) -> bool {
        let owner = self.permissions.first();
        let mut own = self.permissions.iter().skip(1);
        let access = own
            .rfind(|permission| permission.domain == domain)
            .or(owner)
            .map_or('n', |permission| permission.access);
        let owns = owner.is_some_and(|owner| owner.domain == domain);
        domain == 0 || owns || access == 'b' || access == wanted
    }
}

/// Why xenstored says no.
pub type Refusal = &'static str;

/// A tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
    /// Paths that changed, in order, for those who watch.
    pub changes: Vec<String>,
}

impl Default for Tree {
    fn default() -> Self {
        let root = Node {
            value: Vec::new(),
            permissions: vec![Permission {
                access: 'n',
                domain: 0,
            }],
        };
        Self {
            nodes: BTreeMap::from([(String::new(), root)]),
            changes: Vec::new(),
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl Tree {
    /// A node.
    pub fn node(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// All paths.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(String::as_str)
    }

    /// Names of a node's children.
    pub fn children(&self, path: &str) -> BTreeSet<String> {
        let prefix = format!("{path}/");
        self.nodes
            .range(prefix.clone()..)
            .map_while(|(key, _)| key.strip_prefix(&prefix))
            .filter_map(|rest| rest.split('/').next().map(str::to_owned))
            .collect()
    }

    /// The node, or the nearest above it that there is: that one's permissions count.
    fn nearest<'a>(&self, mut path: &'a str) -> &'a str {
        while !self.nodes.contains_key(path) {
            path = parent(path);
        }
        path
    }

    fn allowed(&self, domain: u32, path: &str, wanted: char) -> Result<(), Refusal> {
        let nearest = self.nearest(path);
        let allowed = self.nodes[nearest].allows(domain, wanted);
        if allowed { Ok(()) } else { Err("EACCES") }
    }

    /// A node that a domain may do this with.
    fn existing(&self, domain: u32, path: &str, wanted: char) -> Result<&Node, Refusal> {
        self.allowed(domain, path, wanted)?;
        self.nodes.get(path).ok_or("ENOENT")
    }

    /// A domain reads.
    pub fn read(&self, domain: u32, path: &str) -> Result<Vec<u8>, Refusal> {
        Ok(self.existing(domain, path, 'r')?.value.clone())
    }

    /// A domain lists.
    pub fn list(&self, domain: u32, path: &str) -> Result<BTreeSet<String>, Refusal> {
        self.existing(domain, path, 'r')?;
        Ok(self.children(path))
    }

    /// A domain writes; parents are made, and what is made belongs to whom the node above belongs.
    pub fn write(&mut self, domain: u32, path: &str, value: &[u8]) -> Result<(), Refusal> {
        self.allowed(domain, path, 'w')?;
        let mut made = path;
        let nearest = self.nearest(path).to_owned();
        let permissions = self.nodes[&nearest].permissions.clone();
        while made != nearest {
            let node = Node {
                value: Vec::new(),
                permissions: permissions.clone(),
            };
            self.nodes.insert(made.into(), node);
            made = parent(made);
        }
        if let Some(node) = self.nodes.get_mut(path) {
            node.value = value.to_vec();
        }
        self.changes.push(path.into());
        Ok(())
    }

    /// A domain removes a node and what is below.
    pub fn remove(&mut self, domain: u32, path: &str) -> Result<(), Refusal> {
        self.existing(domain, path, 'w')?;
        let below = format!("{path}/");
        let doomed = |key: &str| key == path || key.starts_with(&below);
        let gone = self.nodes.keys().filter(|key| doomed(key)).cloned();
        self.changes.extend(gone);
        self.nodes.retain(|key, _| !doomed(key));
        Ok(())
    }

    /// A domain says who may do what.
    pub fn set_permissions(
        &mut self,
        domain: u32,
        path: &str,
        permissions: Vec<Permission>,
    ) -> Result<(), Refusal> {
        self.existing(domain, path, 'w')?;
        if let Some(node) = self.nodes.get_mut(path) {
            node.permissions = permissions;
        }
        self.changes.push(path.into());
        Ok(())
    }
}

/// A change within a transaction.
#[derive(Clone, Debug)]
enum Change {
    Write(String, Vec<u8>),
    Remove(String),
    SetPermissions(String, Vec<Permission>),
}

/// A transaction of dom0: a view of its own, which becomes everybody's unless others changed what it touched.
#[derive(Clone, Debug)]
pub struct Pending {
    begun: Tree,
    view: Tree,
    touched: BTreeSet<String>,
    changes: Vec<Change>,
}

impl Pending {
    /// Begins one.
    pub fn begin(tree: &Tree) -> Self {
        Self {
            begun: tree.clone(),
            view: tree.clone(),
            touched: BTreeSet::new(),
            changes: Vec::new(),
        }
    }

    /// As [`Tree::read`].
    pub fn read(&mut self, path: &str) -> Result<Vec<u8>, Refusal> {
        self.touched.insert(path.into());
        self.view.read(0, path)
    }

    /// As [`Tree::list`].
    pub fn list(&mut self, path: &str) -> Result<BTreeSet<String>, Refusal> {
        self.touched.insert(path.into());
        self.view.list(0, path)
    }

    fn change(&mut self, change: Change) -> Result<(), Refusal> {
        let path = match &change {
            Change::Write(path, _) | Change::Remove(path) | Change::SetPermissions(path, _) => path,
        };
        self.touched.insert(path.clone());
        self.touched.insert(self.view.nearest(path).into());
        apply(&mut self.view, &change)?;
        self.changes.push(change);
        Ok(())
    }

    /// As [`Tree::write`].
    pub fn write(&mut self, path: &str, value: &[u8]) -> Result<(), Refusal> {
        self.change(Change::Write(path.into(), value.into()))
    }

    /// As [`Tree::remove`].
    pub fn remove(&mut self, path: &str) -> Result<(), Refusal> {
        self.change(Change::Remove(path.into()))
    }

    /// As [`Tree::set_permissions`].
    pub fn set_permissions(&mut self, path: &str, who: Vec<Permission>) -> Result<(), Refusal> {
        self.change(Change::SetPermissions(path.into(), who))
    }

    /// Makes it everybody's; refused when others changed what it touched.
    pub fn commit(self, tree: &mut Tree) -> Result<(), Refusal> {
        let same = |path: &String| {
            self.begun.node(path) == tree.node(path)
                && self.begun.children(path) == tree.children(path)
        };
        if !self.touched.iter().all(same) {
            return Err("EAGAIN");
        }
        for change in &self.changes {
            apply(tree, change)?;
        }
        Ok(())
    }
}

fn apply(tree: &mut Tree, change: &Change) -> Result<(), Refusal> {
    match change {
        Change::Write(path, value) => tree.write(0, path, value),
        Change::Remove(path) => tree.remove(0, path),
        Change::SetPermissions(path, who) => tree.set_permissions(0, path, who.clone()),
    }
}
