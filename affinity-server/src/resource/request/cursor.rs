//! A place in a text, and what was hoped for at the furthest place that was reached.
//!
//! A parser is a function from a cursor to an `Option`. One that fails leaves the cursor where it failed; an
//! alternative is tried only when nothing was taken, or when [`Cursor::attempt`] gave it back. Taking a character
//! forgets what was hoped for before. These are Parsec's rules, so that errors name the same place and the same hopes
//! as PostgREST's do.

use super::RequestError;
use super::limits::Budget;

/// A parser's place in a text.
#[derive(Debug)]
pub(super) struct Cursor<'t, 'b, 'l> {
    text: &'t str,
    at: usize,
    mismatch: Mismatch,
    exceeded: Option<RequestError>,
    pub(super) budget: &'b mut Budget<'l>,
}

/// What could have stood somewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hope {
    Text(&'static str),
    Char(char),
    Kind(&'static str),
}

impl Hope {
    fn show(self) -> String {
        match self {
            Self::Text(text) => format!("\"{text}\""),
            Self::Char(wanted) => format!("\"{}\"", show_char(wanted, '"')),
            Self::Kind(kind) => kind.to_owned(),
        }
    }
}

#[derive(Debug, Default)]
struct Mismatch {
    at: usize,
    /// Shown in double quotes, or as the end of the input.
    found: Option<Option<char>>,
    /// Shown in single quotes, and preferred.
    forbidden: Option<char>,
    hopes: Vec<Hope>,
}

impl Mismatch {
    fn is_blank(&self) -> bool {
        self.found.is_none() && self.forbidden.is_none() && self.hopes.is_empty()
    }

    fn clear(&mut self) {
        (self.found, self.forbidden) = (None, None);
        self.hopes.clear();
    }

    /// Adds one more reason at `at`; what was further stays, what was before goes.
    fn note(&mut self, at: usize, found: Option<Option<char>>, forbidden: Option<char>, hope: Option<Hope>) {
        if !self.is_blank() && self.at > at {
            return;
        }
        if self.is_blank() || self.at < at {
            self.clear();
            self.at = at;
        }
        self.found = self.found.or(found);
        self.forbidden = self.forbidden.or(forbidden);
        self.hopes.extend(hope);
    }

    fn merge(&mut self, later: Self) {
        if !later.is_blank() {
            self.note(later.at, later.found, later.forbidden, None);
            if self.at == later.at {
                self.hopes.extend(later.hopes);
            }
        }
    }
}

/// As Haskell shows a character inside `quote`s.
fn show_char(shown: char, quote: char) -> String {
    match shown {
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        _ if shown == quote => format!("\\{quote}"),
        ' '..='~' => shown.to_string(),
        _ => format!("\\{}", u32::from(shown)),
    }
}

impl<'t, 'b, 'l> Cursor<'t, 'b, 'l> {
    pub(super) fn new(text: &'t str, budget: &'b mut Budget<'l>) -> Self {
        Self { text, at: 0, mismatch: Mismatch::default(), exceeded: None, budget }
    }

    /// What `parse` makes of the whole text.
    ///
    /// # Errors
    /// What `what` is called in `shown`, when it is not of the grammar or something follows.
    pub(super) fn read<T>(
        mut self,
        (what, shown): (&'static str, &str),
        parse: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Result<T, RequestError> {
        let parsed = parse(&mut self);
        if let Some(exceeded) = self.exceeded {
            return Err(exceeded);
        }
        match parsed {
            Some(parsed) if self.end().is_some() => Ok(parsed),
            _ => Err(self.mismatch.into_error(what, shown, self.text)),
        }
    }

    /// What is not yet taken.
    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes `length_bytes`.
    pub(super) fn take(&mut self, length_bytes: usize) -> &'t str {
        let taken = &self.rest()[..length_bytes];
        if !taken.is_empty() {
            self.at += length_bytes;
            self.mismatch.clear();
        }
        taken
    }

    /// Takes characters as long as `is_wanted`; perhaps none.
    pub(super) fn take_while(&mut self, is_wanted: impl Fn(char) -> bool) -> &'t str {
        let length = self.rest().find(|next: char| !is_wanted(next)).unwrap_or(self.rest().len());
        self.take(length)
    }

    fn miss(&mut self, ahead_bytes: usize, hope: Option<Hope>) {
        let found = Some(self.rest()[ahead_bytes..].chars().next());
        // A text that is not there was hoped for where it would have begun.
        let ahead_bytes = if matches!(hope, Some(Hope::Text(_))) { 0 } else { ahead_bytes };
        self.mismatch.note(self.at + ahead_bytes, found, None, hope);
    }

    /// Notes that something of this kind would have been welcome here.
    pub(super) fn hope(&mut self, kind: &'static str) {
        self.miss(0, Some(Hope::Kind(kind)));
    }

    /// Notes that nothing could go on with the character `ahead_bytes` from here.
    pub(super) fn miss_at(&mut self, ahead_bytes: usize) {
        self.miss(ahead_bytes, None);
    }

    /// Takes `wanted`.
    pub(super) fn char(&mut self, wanted: char) -> Option<()> {
        self.peek_char(wanted)?;
        self.take(wanted.len_utf8());
        Some(())
    }

    /// Whether `wanted` is next, which is not taken.
    pub(super) fn peek_char(&mut self, wanted: char) -> Option<()> {
        if self.rest().starts_with(wanted) {
            return Some(());
        }
        self.miss(0, Some(Hope::Char(wanted)));
        None
    }

    /// Takes `wanted`, or nothing.
    pub(super) fn text(&mut self, wanted: &'static str) -> Option<()> {
        self.peek_text(wanted)?;
        self.take(wanted.len());
        Some(())
    }

    /// Whether `wanted` is next, which is not taken.
    pub(super) fn peek_text(&mut self, wanted: &'static str) -> Option<()> {
        let same = self.rest().bytes().zip(wanted.bytes()).take_while(|(left, right)| left == right).count();
        if same == wanted.len() {
            return Some(());
        }
        self.miss(same, Some(Hope::Text(wanted)));
        None
    }

    /// The dot between parts.
    pub(super) fn delimiter(&mut self) -> Option<()> {
        self.labeled("delimiter (.)", |cursor| cursor.char('.'))
    }

    /// Whether the text has ended.
    pub(super) fn end(&mut self) -> Option<()> {
        let Some(forbidden) = self.peek() else { return Some(()) };
        self.mismatch.note(self.at, None, Some(forbidden), Some(Hope::Kind("end of input")));
        None
    }

    /// Fails when `is_forbidden` holds for the next character.
    pub(super) fn not_followed_by(&mut self, is_forbidden: impl Fn(char) -> bool) -> Option<()> {
        let Some(forbidden) = self.peek().filter(|next| is_forbidden(*next)) else { return Some(()) };
        let at = self.at + forbidden.len_utf8();
        self.mismatch.note(at, None, Some(forbidden), None);
        None
    }

    /// What `parse` makes; when it fails, nothing is taken.
    pub(super) fn attempt<T>(&mut self, parse: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let start = self.at;
        let before = std::mem::take(&mut self.mismatch);
        let parsed = parse(self);
        if parsed.is_none() {
            self.at = start;
        }
        if self.at == start {
            let inner = std::mem::replace(&mut self.mismatch, before);
            self.mismatch.merge(inner);
        }
        parsed
    }

    /// What `first` makes, or `second` when `first` fails and takes nothing.
    pub(super) fn either<T>(
        &mut self,
        first: impl FnOnce(&mut Self) -> Option<T>,
        second: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let start = self.at;
        first(self).or_else(|| (self.at == start).then(|| second(self)).flatten())
    }

    /// What `parse` makes, `Some(None)` when it fails and takes nothing.
    pub(super) fn optional<T>(&mut self, parse: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        self.either(|cursor| parse(cursor).map(Some), |_| Some(None))
    }

    /// What `parse` makes; when it takes nothing, what it hoped for is called `label`.
    pub(super) fn labeled<T>(
        &mut self,
        label: &'static str,
        parse: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let start = self.at;
        let mut before = std::mem::take(&mut self.mismatch);
        let parsed = parse(self);
        if self.at == start {
            let mut inner = std::mem::take(&mut self.mismatch);
            if !inner.is_blank() {
                inner.hopes.clear();
                inner.hopes.push(Hope::Kind(label));
            }
            before.merge(inner);
            self.mismatch = before;
        }
        parsed
    }

    /// `parse` with spaces around it.
    pub(super) fn spaced<T>(&mut self, parse: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.spaces();
        let parsed = parse(self)?;
        self.spaces();
        Some(parsed)
    }

    fn spaces(&mut self) {
        self.take_while(|next| matches!(next, ' ' | '\t'));
    }

    /// One or more of `parse`, between commas with spaces around them.
    pub(super) fn list<T>(&mut self, mut parse: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut items = vec![parse(self)?];
        while self.optional(|cursor| cursor.spaced(|cursor| cursor.char(',')))?.is_some() {
            items.push(parse(self)?);
        }
        Some(items)
    }

    /// `None`, for good, when `used` is more than the limit called `limit` allows.
    pub(super) fn within(&mut self, used: usize, limit: &'static str, max: usize) -> Option<()> {
        if used > max {
            self.exceeded.get_or_insert(RequestError::LimitExceeded { limit, max });
        }
        self.exceeded.is_none().then_some(())
    }
}

impl Mismatch {
    fn into_error(self, what: &'static str, shown: &str, text: &str) -> RequestError {
        let before = &text[..self.at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let unexpected = match (self.forbidden, self.found) {
            (Some(forbidden), _) => Some(format!("'{}'", show_char(forbidden, '\''))),
            (None, Some(Some(found))) => Some(format!("\"{}\"", show_char(found, '"'))),
            (None, Some(None)) => Some("end of input".to_owned()),
            (None, None) => None,
        };
        let mut expected = Vec::new();
        for shown in self.hopes.into_iter().map(Hope::show) {
            if !expected.contains(&shown) {
                expected.push(shown);
            }
        }
        RequestError::Syntax {
            what,
            text: shown.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            unexpected,
            expected,
        }
    }
}
