//! Interning: texts and audiences as small integers that versions of a graph share.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use super::record::{Audience, Viewer};

/// New entries that a version carries by itself before they are folded into the shared part.
const RECENT_MAX: usize = 256;

/// An append-only set of values, each with a small integer that never changes.
///
/// A clone shares everything but the few newest entries. Integers depend on the order of arrival, so they are
/// only ever compared for equality.
#[derive(Clone, Debug)]
pub(crate) struct Interner<T: Eq + Hash> {
    base: Arc<Interned<T>>,
    recent: Interned<T>,
}

#[derive(Clone, Debug)]
struct Interned<T: Eq + Hash> {
    values: Vec<Arc<T>>,
    ids: HashMap<Arc<T>, u32>,
}

impl<T: Eq + Hash> Default for Interned<T> {
    fn default() -> Self {
        Self { values: Vec::new(), ids: HashMap::new() }
    }
}

impl<T: Eq + Hash> Default for Interner<T> {
    fn default() -> Self {
        Self { base: Arc::default(), recent: Interned::default() }
    }
}

impl<T: Eq + Hash + Clone> Interner<T> {
    /// A set with these values, whose ids are their positions; `None` when two are equal or there are too many.
    pub(crate) fn from_values(values: Vec<T>) -> Option<Self> {
        let mut base =
            Interned { values: Vec::with_capacity(values.len()), ids: HashMap::with_capacity(values.len()) };
        for value in values {
            let id = push(&mut base, 0, value)?;
            if base.ids.len() <= id as usize {
                return None; // an equal value was there
            }
        }
        Some(Self { base: Arc::new(base), recent: Interned::default() })
    }

    /// The id of `value`, which joins the set when it is new; `None` after 2^32 values.
    pub(crate) fn intern(&mut self, value: T) -> Option<u32> {
        if let Some(id) = self.find(&value) {
            return Some(id);
        }
        if let Some(base) = Arc::get_mut(&mut self.base).filter(|_| self.recent.values.is_empty()) {
            return push(base, 0, value); // nobody shares the base yet, as while building
        }
        if self.recent.values.len() >= RECENT_MAX {
            let mut base = Interned::clone(&self.base);
            base.values.append(&mut self.recent.values);
            base.ids.extend(self.recent.ids.drain());
            self.base = Arc::new(base);
        }
        push(&mut self.recent, self.base.values.len(), value)
    }

    /// The id of `value` when it is in the set.
    pub(crate) fn find(&self, value: &T) -> Option<u32> {
        self.base.ids.get(value).or_else(|| self.recent.ids.get(value)).copied()
    }

    /// The value behind an id of this set.
    pub(crate) fn get(&self, id: u32) -> &Arc<T> {
        let (index, base_count) = (id as usize, self.base.values.len());
        if index < base_count { &self.base.values[index] } else { &self.recent.values[index - base_count] }
    }

    /// How many values there are.
    pub(crate) fn count(&self) -> usize {
        self.base.values.len() + self.recent.values.len()
    }

    /// All values, by id.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Arc<T>> {
        self.base.values.iter().chain(&self.recent.values)
    }
}

fn push<T: Eq + Hash>(part: &mut Interned<T>, before: usize, value: T) -> Option<u32> {
    let id = u32::try_from(before + part.values.len()).ok()?;
    let value = Arc::new(value);
    part.values.push(Arc::clone(&value));
    part.ids.insert(value, id);
    Some(id)
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

    pub(crate) fn get(&self, id: u32) -> &Audience {
        self.0.get(id)
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
                Audience::Principals(wanted) => {
                    let (few, many) = if held.len() < wanted.len() { (held, wanted) } else { (wanted, held) };
                    few.iter().any(|principal| many.contains(principal))
                }
                Audience::Everyone | Audience::Members => true,
            },
        }
    }
}
