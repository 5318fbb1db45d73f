//! Interning: texts and audiences as small integers that versions of a graph share.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::column::Lists;
use super::hash_index::HashIndex;
use super::key::{TEXT, stable_hash};
use super::paged::Paged;
use super::record::{Audience, Viewer};
use crate::storage::ARC_BYTES;

/// Texts, each with a small integer that never changes.
///
/// Versions share all pages but the last. Integers depend on the order of arrival, so they are only ever compared
/// for equality.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    /// [`TEXTS_PER_PAGE`] each.
    pages: Paged<Arc<Lists<u8>>>,
    index: HashIndex,
    count: usize,
}

/// A new text copies those of its page.
pub(crate) const TEXTS_PER_PAGE: usize = 64;

impl Texts {
    /// Texts from the parts of a snapshot, whose shape the reader has checked.
    pub(crate) fn from_parts(pages: Vec<Lists<u8>>, index: HashIndex, count: usize) -> Self {
        Self { pages: pages.into_iter().map(Arc::new).collect(), index, count }
    }

    pub(crate) fn index(&self) -> &HashIndex {
        &self.index
    }

    pub(crate) fn pages(&self) -> impl Iterator<Item = &Lists<u8>> {
        self.pages.iter().map(Arc::as_ref)
    }

    /// The id of a text, which joins the others when it is new; `None` after 2^32 texts.
    pub(crate) fn intern(&mut self, text: &str) -> Option<u32> {
        if let Some(id) = self.find(text) {
            return Some(id);
        }
        let id = u32::try_from(self.count).ok()?;
        let page = self.pages.get_mut(self.count / TEXTS_PER_PAGE);
        let before = (0..self.count % TEXTS_PER_PAGE).map(|slot| page.get(slot));
        *page = Arc::new(Lists::new(before.chain([Some(text.as_bytes())])));
        self.count += 1;
        let mut index = std::mem::take(&mut self.index);
        let hash_of = |id| stable_hash(TEXT, self.get(id).as_bytes());
        index.insert(stable_hash(TEXT, text.as_bytes()), id, hash_of);
        self.index = index;
        Some(id)
    }

    /// The id of a text that is there.
    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        self.index.find(stable_hash(TEXT, text.as_bytes()), |id| self.get(id) == text)
    }

    /// The text behind an id of this set.
    pub(crate) fn get(&self, id: u32) -> &str {
        let (page, slot) = (id as usize / TEXTS_PER_PAGE, id as usize % TEXTS_PER_PAGE);
        self.pages.get(page).and_then(|page| page.text(slot)).unwrap_or_default() // every id has one
    }

    /// How many texts there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// All texts, by id.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.pages.iter().flat_map(|page| (0..TEXTS_PER_PAGE).map_while(|slot| page.text(slot)))
    }

    /// Memory in use.
    pub(crate) fn size_bytes(&self) -> usize {
        let page_bytes = |page: &Arc<Lists<u8>>| ARC_BYTES + size_of::<Lists<u8>>() + page.size_bytes();
        self.pages.size_bytes() + self.index.size_bytes() + self.pages.iter().map(page_bytes).sum::<usize>()
    }
}

/// An append-only set of values, each with a small integer that never changes, as [`Texts`] are.
#[derive(Clone, Debug)]
pub(crate) struct Interner<T> {
    values: Paged<Option<Arc<T>>>,
    index: HashIndex,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self { values: Paged::default(), index: HashIndex::default() }
    }
}

fn hash_of<T: Hash>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl<T: Eq + Hash> Interner<T> {
    /// A set with these values, whose ids are their positions; `None` when two are equal or there are too many.
    pub(crate) fn from_values(values: Vec<T>) -> Option<Self> {
        let mut interner = Self::default();
        for (position, value) in values.into_iter().enumerate() {
            if interner.intern(value)? as usize != position {
                return None; // an equal value was there
            }
        }
        Some(interner)
    }

    /// The id of `value`, which joins the set when it is new; `None` after 2^32 values.
    pub(crate) fn intern(&mut self, value: T) -> Option<u32> {
        if let Some(id) = self.find(&value) {
            return Some(id);
        }
        let (id, hash) = (u32::try_from(self.values.count()).ok()?, hash_of(&value));
        *self.values.get_mut(self.values.count()) = Some(Arc::new(value));
        let values = &self.values;
        let known = |id| values.get(id as usize).and_then(Option::as_ref);
        self.index.insert(hash, id, |id| known(id).map_or(0, hash_of));
        Some(id)
    }

    /// The id of `value` when it is in the set.
    pub(crate) fn find(&self, value: &T) -> Option<u32> {
        self.index.find(hash_of(value), |id| self.get(id).is_some_and(|known| known.as_ref() == value))
    }

    /// The value behind an id.
    pub(crate) fn get(&self, id: u32) -> Option<&Arc<T>> {
        self.values.get(id as usize).and_then(Option::as_ref)
    }

    /// How many values there are.
    pub(crate) fn count(&self) -> usize {
        self.values.count()
    }

    /// All values, by id.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Arc<T>> {
        self.values.iter().flatten()
    }

    /// Memory in use, without what the values themselves hold.
    fn size_bytes(&self) -> usize {
        let values = self.values.count() * (ARC_BYTES + size_of::<T>());
        self.values.size_bytes() + self.index.size_bytes() + values
    }
}

/// Texts of one query that the graph does not know: their ids count down from the top, below `NO_CATEGORY`.
#[derive(Clone, Debug, Default)]
pub(crate) struct QueryWords(Vec<String>);

/// Id of the first word of a query.
const FIRST_WORD: u32 = u32::MAX - 1;

impl QueryWords {
    /// The id of a word, the same each time.
    pub(super) fn id(&mut self, text: &str) -> u32 {
        let place = self.0.iter().position(|known| known == text).unwrap_or(self.0.len());
        if place == self.0.len() {
            self.0.push(text.to_string());
        }
        FIRST_WORD - u32::try_from(place).unwrap_or(FIRST_WORD) // a query does not hold 2^32 words
    }

    /// The word behind an id; `None` for terms of the graph.
    pub(crate) fn get(&self, id: u32) -> Option<&str> {
        self.0.get(FIRST_WORD.checked_sub(id)? as usize).map(String::as_str)
    }
}

/// Id of [`Audience::Everyone`].
pub(crate) const EVERYONE: u32 = 0;
/// Id of [`Audience::Members`].
pub(crate) const MEMBERS: u32 = 1;
/// Id of the audience of what is not there: a node that edges mention before it exists or after it is gone.
pub(crate) const NOBODY: u32 = 2;

/// The audiences in use, each with a small integer.
#[derive(Clone, Debug)]
pub(crate) struct Audiences(Interner<Audience>);

impl Default for Audiences {
    fn default() -> Self {
        let mut interner = Interner::default();
        for audience in [Audience::Everyone, Audience::Members, Audience::Principals(BTreeSet::new())] {
            interner.intern(audience);
        }
        Self(interner)
    }
}

impl Audiences {
    /// The audiences of a snapshot, by id; `None` when two are equal or the three with fixed ids are not first.
    pub(crate) fn from_values(values: Vec<Audience>) -> Option<Self> {
        let fixed = Self::default();
        let has_fixed = values.len() >= fixed.count()
            && fixed.values().zip(&values).all(|(fixed, value)| fixed.as_ref() == value);
        if has_fixed { Interner::from_values(values).map(Self) } else { None }
    }

    pub(crate) fn intern(&mut self, audience: &Audience) -> Option<u32> {
        self.0.intern(audience.clone())
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Audience> {
        self.0.get(id).map(Arc::as_ref)
    }

    /// Memory in use.
    pub(crate) fn size_bytes(&self) -> usize {
        // A tree of strings: each has a header of 24 bytes, in a node with room for eleven.
        let held = |audience: &Arc<Audience>| match audience.as_ref() {
            Audience::Principals(principals) if !principals.is_empty() => {
                let nodes = principals.len().div_ceil(11) * (11 * size_of::<String>() + 16);
                nodes + principals.iter().map(String::len).sum::<usize>()
            }
            _ => 0,
        };
        self.0.size_bytes() + self.values().map(held).sum::<usize>()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.count()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Arc<Audience>> {
        self.0.values()
    }
}

/// How many things are not for everyone: lets loops skip the audience where a viewer sees all of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Restrictions {
    for_members: usize,
    for_some: usize,
    absent: usize,
}

impl Restrictions {
    pub(crate) fn add(&mut self, audience: u32) {
        match audience {
            EVERYONE => {}
            MEMBERS => self.for_members += 1,
            NOBODY => self.absent += 1,
            _ => self.for_some += 1,
        }
    }

    pub(crate) fn remove(&mut self, audience: u32) {
        match audience {
            EVERYONE => {}
            MEMBERS => self.for_members -= 1,
            NOBODY => self.absent -= 1,
            _ => self.for_some -= 1,
        }
    }

    /// Whether the viewer sees each of the things counted.
    pub(crate) fn are_open_to(&self, sight: Sight<'_>) -> bool {
        self.absent == 0
            && (sight.is_operator() || self.for_some == 0 && (self.for_members == 0 || sight.is_signed_in()))
    }
}

/// A viewer, ready to be asked about audience ids.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight<'a> {
    viewer: &'a Viewer,
    audiences: &'a Audiences,
}

impl<'a> Sight<'a> {
    pub(crate) fn new(viewer: &'a Viewer, audiences: &'a Audiences) -> Self {
        Self { viewer, audiences }
    }

    /// Whether the viewer reads what has this audience.
    #[inline]
    pub(crate) fn sees(&self, audience: u32) -> bool {
        audience == EVERYONE || (audience != NOBODY && self.sees_restricted(audience))
    }

    /// Whether the viewer sees everything that is there.
    pub(crate) fn is_operator(&self) -> bool {
        matches!(self.viewer, Viewer::Operator)
    }

    /// Whether the viewer sees what is for members.
    pub(crate) fn is_signed_in(&self) -> bool {
        !matches!(self.viewer, Viewer::Anonymous)
    }

    fn sees_restricted(&self, audience: u32) -> bool {
        match (self.viewer, audience) {
            (Viewer::Operator, _) | (Viewer::Member(_), MEMBERS) => true,
            (Viewer::Anonymous, _) => false,
            (Viewer::Member(held), _) => match self.audiences.get(audience) {
                Some(Audience::Principals(wanted)) => {
                    let (few, many) = if held.len() < wanted.len() { (held, wanted) } else { (wanted, held) };
                    few.iter().any(|principal| many.contains(principal))
                }
                Some(Audience::Everyone | Audience::Members) => true,
                None => false,
            },
        }
    }
}
