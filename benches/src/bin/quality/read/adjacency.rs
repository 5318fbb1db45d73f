use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::error::ReadError;
use super::lines::Lines;

const LINE: &str = "a user and its items: numbers separated by spaces";

/// Items by user.
pub(crate) type Lists = BTreeMap<u32, BTreeSet<u32>>;

/// Who chose what: `train.txt` and `test.txt`, one line per user, `user item item ...`.
#[derive(Clone, Debug)]
pub(crate) struct Adjacency {
    pub(crate) train: Lists,
    /// What was held out, also where the user has it in `train`: the protocol counts it.
    pub(crate) test: Lists,
    /// Pairs of users, from `trust.txt` where the folder has one.
    pub(crate) trust: Lists,
}

impl Adjacency {
    /// Reads a folder.
    ///
    /// # Errors
    /// [`ReadError`] naming file and line.
    pub(crate) fn read(folder: &Path) -> Result<Self, ReadError> {
        let read_known = |name: &'static str, what: &'static str| {
            let path = folder.join(name);
            let lists = read_lists(&path)?;
            let is_empty = lists.values().all(BTreeSet::is_empty);
            if is_empty { Err(ReadError::Empty { path, what }) } else { Ok(lists) }
        };
        let train = read_known("train.txt", "items")?;
        let test = read_known("test.txt", "items")?;
        let trust = folder.join("trust.txt");
        let trust = if Lines::exist(&trust) { read_lists(&trust)? } else { Lists::new() };
        Ok(Self { train, test, trust })
    }

    /// Everything that somebody chose, rising.
    pub(crate) fn items(&self) -> BTreeSet<u32> {
        self.train.values().chain(self.test.values()).flatten().copied().collect()
    }
}

/// A user on several lines has the items of all.
fn read_lists(path: &Path) -> Result<Lists, ReadError> {
    let mut lists = Lists::new();
    let mut lines = Lines::open(path)?;
    while let Some(numbers) = lines.next_numbers(LINE)? {
        if let [user, items @ ..] = numbers.as_slice() {
            lists.entry(*user).or_default().extend(items);
        }
    }
    Ok(lists)
}

/// The items listed in a file, any number a line.
///
/// # Errors
/// [`ReadError`] naming file and line.
pub(crate) fn read_items(path: &Path) -> Result<BTreeSet<u32>, ReadError> {
    let mut items = BTreeSet::new();
    let mut lines = Lines::open(path)?;
    while let Some(numbers) = lines.next_numbers("items: numbers separated by spaces")? {
        items.extend(numbers);
    }
    Ok(items)
}
