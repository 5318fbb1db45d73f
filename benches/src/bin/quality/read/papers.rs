use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::adjacency::Lists;
use super::error::ReadError;
use super::lines::Lines;

/// Papers, and who keeps which in a library: the format of citeulike-a.
#[derive(Clone, Debug)]
pub(crate) struct PaperData {
    /// By paper.
    pub(crate) titles: Vec<String>,
    /// By paper; may be empty.
    pub(crate) citations: Vec<Vec<u32>>,
    /// By paper; may be empty.
    pub(crate) tags: Vec<Vec<u32>>,
    /// Papers that nobody has touched before; `None` where the folder has no such fold.
    pub(crate) cold: Option<Fold>,
    /// New papers for users with a few of their own; `None` where the folder has no such fold.
    pub(crate) warm: Option<Fold>,
}

/// What users are known to keep, and what they turned out to.
#[derive(Clone, Debug)]
pub(crate) struct Fold {
    pub(crate) train: Lists,
    pub(crate) test: Lists,
}

impl PaperData {
    /// Reads a folder: `titles.txt`, `citations.dat` and `item-tag.dat`, of which line i is about paper i, and the
    /// folds `cold/train.csv`, `cold/test_old.csv` and `warm/cf-train-10-users.dat`, `warm/cf-test-10-users.dat`.
    ///
    /// # Errors
    /// [`ReadError`] naming file and line.
    pub(crate) fn read(folder: &Path) -> Result<Self, ReadError> {
        let mut lines = Lines::open(&folder.join("titles.txt"))?;
        let mut titles = Vec::new();
        while let Some(line) = lines.next_line()? {
            titles.push(line.to_string());
        }
        let optional = |name: &str| {
            let path = folder.join(name);
            if Lines::exist(&path) { counted(&path) } else { Ok(Vec::new()) }
        };
        let fold = |train: &str, read: &dyn Fn(&str) -> Result<Fold, ReadError>| {
            Lines::exist(&folder.join(train)).then(|| read(train)).transpose()
        };
        let cold = fold("cold/train.csv", &|train| {
            // DropoutNet's file counts from 1 and has no header.
            let test = user_item(&folder.join("cold/test_old.csv"), 1)?;
            Ok(Fold { train: user_item(&folder.join(train), 0)?, test })
        })?;
        let warm = fold("warm/cf-train-10-users.dat", &|train| {
            let lists = |name: &str| -> Result<Lists, ReadError> {
                let items = counted(&folder.join(name))?.into_iter().map(BTreeSet::from_iter);
                Ok((0..).zip(items).collect())
            };
            Ok(Fold { train: lists(train)?, test: lists("warm/cf-test-10-users.dat")? })
        })?;
        if cold.is_none() && warm.is_none() {
            return Err(ReadError::Empty { path: folder.to_path_buf(), what: "fold, cold or warm" });
        }
        Ok(Self {
            titles,
            citations: optional("citations.dat")?,
            tags: optional("item-tag.dat")?,
            cold,
            warm,
        })
    }
}

/// Lines of `count id id ...`.
fn counted(path: &Path) -> Result<Vec<Vec<u32>>, ReadError> {
    const LINE: &str = "a count and as many numbers";
    let (mut lines, mut lists) = (Lines::open(path)?, Vec::new());
    while let Some(numbers) = lines.next_numbers(LINE)? {
        match numbers.split_first() {
            Some((count, ids)) if usize::try_from(*count) == Ok(ids.len()) => lists.push(ids.to_vec()),
            None => lists.push(Vec::new()),
            Some(_) => return Err(lines.wrong(LINE)),
        }
    }
    Ok(lists)
}

/// Lines of `user,item`, with or without more; ids begin with `first`. A header is passed over.
fn user_item(path: &Path, first: u32) -> Result<Lists, ReadError> {
    const LINE: &str = "a user and an item, separated by a comma";
    let (mut lines, mut lists) = (Lines::open(path)?, BTreeMap::new());
    while let Some(line) = lines.next_line()? {
        let mut words = line.split(',').map(|word| word.trim().parse::<u32>().ok()?.checked_sub(first));
        match (words.next(), words.next()) {
            (Some(Some(user)), Some(Some(item))) => {
                lists.entry(user).or_insert_with(BTreeSet::new).insert(item);
            }
            _ if line.is_empty() || line.starts_with(|letter: char| letter.is_alphabetic()) => {}
            _ => return Err(lines.wrong(LINE)),
        }
    }
    Ok(lists)
}
