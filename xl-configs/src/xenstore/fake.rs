//! xenstore in memory, for tests: a tree of values and permissions; a transaction is a copy of it.

use std::collections::BTreeMap;

use super::{Permissions, Store, StoreError, Transaction};

type Tree = BTreeMap<String, (String, Option<Permissions>)>;

/// A xenstore without a daemon.
#[derive(Default)]
pub struct Fake {
    /// The committed tree.
    pub tree: Tree,
    open: Option<Tree>,
    /// How many commits are still answered with EAGAIN.
    pub interfere: u32,
}

impl Fake {
    /// A store with these nodes.
    pub fn with(nodes: &[(&str, &str)]) -> Self {
        let tree = nodes
            .iter()
            .map(|(path, value)| (path.to_string(), (value.to_string(), None)))
            .collect();
        Self {
            tree,
            ..Self::default()
        }
    }

    /// A node's value.
    pub fn value(&self, path: &str) -> Option<&str> {
        self.tree.get(path).map(|(value, _)| value.as_str())
    }

    fn view(&mut self, t: Transaction) -> &mut Tree {
        if t == 0 {
            &mut self.tree
        } else {
            self.open.as_mut().expect("a transaction was begun")
        }
    }
}

impl Store for Fake {
    fn read(&mut self, t: Transaction, path: &str) -> Result<Option<String>, StoreError> {
        Ok(self.view(t).get(path).map(|(value, _)| value.clone()))
    }

    fn list(&mut self, t: Transaction, path: &str) -> Result<Vec<String>, StoreError> {
        let prefix = format!("{path}/");
        let mut names: Vec<String> = self
            .view(t)
            .keys()
            .filter_map(|key| key.strip_prefix(&prefix))
            .filter_map(|rest| rest.split('/').next().map(str::to_owned))
            .collect();
        names.dedup();
        Ok(names)
    }

    fn write(&mut self, t: Transaction, path: &str, value: &str) -> Result<(), StoreError> {
        let view = self.view(t);
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let inherited = view.get(parent).and_then(|(_, permissions)| *permissions);
        let permissions = view.get(path).map_or(inherited, |(_, own)| *own);
        view.insert(path.into(), (value.into(), permissions));
        Ok(())
    }

    fn remove(&mut self, t: Transaction, path: &str) -> Result<(), StoreError> {
        let below = format!("{path}/");
        self.view(t)
            .retain(|key, _| key != path && !key.starts_with(&below));
        Ok(())
    }

    fn set_permissions(
        &mut self,
        t: Transaction,
        path: &str,
        p: Permissions,
    ) -> Result<(), StoreError> {
        match self.view(t).get_mut(path) {
            Some((_, permissions)) => *permissions = Some(p),
            None => {
                return Err(StoreError::Refused {
                    operation: "change of permissions",
                    path: path.into(),
                    code: "ENOENT".into(),
                });
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<Transaction, StoreError> {
        self.open = Some(self.tree.clone());
        Ok(1)
    }

    fn commit(&mut self, _: Transaction) -> Result<bool, StoreError> {
        let tree = self.open.take().expect("a transaction was begun");
        if self.interfere > 0 {
            self.interfere -= 1;
            return Ok(false);
        }
        self.tree = tree;
        Ok(true)
    }

    fn abort(&mut self, _: Transaction) -> Result<(), StoreError> {
        self.open = None;
        Ok(())
    }
}
