use std::collections::BTreeMap;
use std::path::Path;

use super::error::ReadError;
use super::lines::Lines;

const FILE: &str = "pairs.csv";
const LINE: &str = "as many fields as the header has, numbers or nothing";

/// People who met for some minutes, and whether they wanted to meet again: the format of speed-dating.
#[derive(Clone, Debug)]
pub(crate) struct DateData {
    /// What is known of each, by the name of the column.
    pub(crate) people: BTreeMap<u32, BTreeMap<String, f64>>,
    pub(crate) meetings: Vec<Meeting>,
    /// Ways in which the meetings were divided.
    pub(crate) split_count: usize,
}

/// One side of a meeting.
#[derive(Clone, Debug)]
pub(crate) struct Meeting {
    /// Who decides.
    pub(crate) from: u32,
    /// On whom.
    pub(crate) to: u32,
    pub(crate) says_yes: bool,
    /// Whether both said yes.
    pub(crate) is_match: bool,
    /// By split, whether the meeting is known.
    pub(crate) is_train: Vec<bool>,
}

impl DateData {
    /// Reads `pairs.csv` of a folder: a header, then one line for each side of a meeting.
    ///
    /// # Errors
    /// [`ReadError`] naming file and line.
    pub(crate) fn read(folder: &Path) -> Result<Self, ReadError> {
        let path = folder.join(FILE);
        let mut lines = Lines::open(&path)?;
        let header: Vec<String> =
            lines.next_line()?.unwrap_or_default().split(',').map(str::to_string).collect();
        let splits: Vec<usize> = (0..)
            .map_while(|split| header.iter().position(|name| *name == format!("train{split}")))
            .collect();
        let (mut people, mut meetings) = (BTreeMap::new(), Vec::new());
        while let Some(line) = lines.next_line()? {
            let fields: Vec<Option<f64>> = line.split(',').map(|field| field.trim().parse().ok()).collect();
            let of = |name: &str| fields[header.iter().position(|known| known == name)?];
            let id = |name: &str| of(name).and_then(whole);
            let is_one = |name: &str| of(name) == Some(1.0);
            match (id("iid"), id("pid")) {
                (Some(from), Some(to)) if fields.len() == header.len() => {
                    let known =
                        header.iter().zip(&fields).filter_map(|(name, of)| Some((name.clone(), (*of)?)));
                    people.entry(from).or_insert_with(|| known.collect());
                    meetings.push(Meeting {
                        from,
                        to,
                        says_yes: is_one("dec"),
                        is_match: is_one("match"),
                        is_train: splits.iter().map(|column| fields[*column] == Some(1.0)).collect(),
                    });
                }
                _ if line.is_empty() => {}
                _ => return Err(lines.wrong(LINE)),
            }
        }
        meetings.retain(|meeting| people.contains_key(&meeting.to));
        if meetings.is_empty() || splits.is_empty() {
            return Err(ReadError::Empty { path, what: "meetings with the columns train0, train1, ..." });
        }
        Ok(Self { people, meetings, split_count: splits.len() })
    }
}

/// An id.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be a small whole number"
)]
fn whole(number: f64) -> Option<u32> {
    (number.fract() == 0.0 && (0.0..4e9).contains(&number)).then_some(number as u32)
}
