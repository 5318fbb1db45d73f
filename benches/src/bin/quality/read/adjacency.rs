use std::path::Path;

use super::error::ReadError;
use super::lines::Lines;

const LINE: &str = "a user and its items: numbers separated by spaces";

/// Who chose what: `train.txt` and `test.txt`, one line per user, `user item item ...`.
#[derive(Clone, Debug)]
pub(crate) struct Adjacency {
    /// Items per user, ascending, each once; empty for users that only the test knows.
    pub(crate) train: Vec<Vec<u32>>,
    /// As long as `train`; without what is in `train` already.
    pub(crate) test: Vec<Vec<u32>>,
    /// One more than the largest item.
    pub(crate) item_count: usize,
}

impl Adjacency {
    /// Reads a folder.
    ///
    /// # Errors
    /// [`ReadError`] naming file and line.
    pub(crate) fn read(folder: &Path) -> Result<Self, ReadError> {
        let mut train = read_lists(&folder.join("train.txt"))?;
        let mut test = read_lists(&folder.join("test.txt"))?;
        let user_count = train.len().max(test.len());
        train.resize(user_count, Vec::new());
        test.resize(user_count, Vec::new());
        let largest = train.iter().chain(&test).filter_map(|items| items.last()).max();
        let Some(largest) = largest else {
            return Err(ReadError::Empty { path: folder.to_path_buf(), what: "items" });
        };
        let item_count = *largest as usize + 1;
        for (wanted, known) in test.iter_mut().zip(&train) {
            wanted.retain(|item| known.binary_search(item).is_err());
        }
        Ok(Self { train, test, item_count })
    }
}

/// One list per user, ascending; a user on several lines has them all.
fn read_lists(path: &Path) -> Result<Vec<Vec<u32>>, ReadError> {
    let mut lists: Vec<Vec<u32>> = Vec::new();
    let mut lines = Lines::open(path)?;
    while let Some(numbers) = lines.next_numbers(LINE)? {
        if let [user, items @ ..] = numbers.as_slice() {
            let user = *user as usize;
            if lists.len() <= user {
                lists.resize(user + 1, Vec::new());
            }
            lists[user].extend(items);
        }
    }
    for items in &mut lists {
        items.sort_unstable();
        items.dedup();
    }
    Ok(lists)
}

/// The items listed in a file, any number a line, ascending.
///
/// # Errors
/// [`ReadError`] naming file and line.
pub(crate) fn read_items(path: &Path) -> Result<Vec<u32>, ReadError> {
    let mut items = Vec::new();
    let mut lines = Lines::open(path)?;
    while let Some(numbers) = lines.next_numbers("items: numbers separated by spaces")? {
        items.extend(numbers);
    }
    items.sort_unstable();
    items.dedup();
    Ok(items)
}
