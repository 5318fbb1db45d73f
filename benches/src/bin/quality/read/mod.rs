//! Data sets as their folders hold them: one format a file, every error with path and line.

mod error;
mod lines; // a text file, plain or gzip, line by line
mod adjacency; // `user item item ...` in train.txt and test.txt
mod links; // GATNE's `type a b`
mod pairs; // papers, their authors, and pairs who wrote together later
mod papers; // citeulike-a's titles, citations, tags and folds
mod dates; // both sides of each meeting, in columns

pub(crate) use self::adjacency::{Adjacency, Lists, read_items};
pub(crate) use self::dates::{DateData, Meeting};
pub(crate) use self::error::ReadError;
pub(crate) use self::lines::Lines;
pub(crate) use self::links::{LabeledLink, LinkData};
pub(crate) use self::pairs::PairData;
pub(crate) use self::papers::{Fold, PaperData};
