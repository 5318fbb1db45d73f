//! Names, quoted values and JSON paths: what every parameter is made of.

use super::ast::{Field, JsonStep};
use super::cursor::Cursor;

impl Cursor<'_, '_, '_> {
    /// A column, relation, function, constraint or alias.
    pub(super) fn name(&mut self) -> Option<String> {
        self.labeled("field name (* or [a..z0..9_$])", |cursor| {
            cursor.either(Self::quoted, |cursor| cursor.dashed(Self::identifier))
        })
    }

    /// Letters, digits, `_`, `$` and spaces, of which those around it do not count.
    pub(super) fn identifier(&mut self) -> Option<String> {
        let taken = self.take_while(|next| {
            next.is_alphabetic() || next.is_ascii_digit() || matches!(next, '_' | ' ' | '$')
        });
        self.hope("letter");
        self.hope("digit");
        (!taken.is_empty()).then(|| taken.trim().to_owned())
    }

    fn dashed(&mut self, mut part: impl FnMut(&mut Self) -> Option<String>) -> Option<String> {
        let mut name = part(self)?;
        let dash = |cursor: &mut Self| {
            cursor.char('-')?;
            cursor.not_followed_by(|next| next == '>')
        };
        while self.optional(|cursor| cursor.attempt(dash))?.is_some() {
            name.push('-');
            name.push_str(&part(self)?);
        }
        Some(name)
    }

    /// `"..."`, where a backslash keeps the next character as it is.
    pub(super) fn quoted(&mut self) -> Option<String> {
        self.char('"')?;
        let mut value = String::new();
        loop {
            value.push_str(self.take_while(|next| !matches!(next, '"' | '\\')));
            if self.rest().starts_with('\\') {
                self.take(1);
                let Some(kept) = self.peek() else {
                    self.miss_at(0);
                    return None;
                };
                value.push(kept);
                self.take(kept.len_utf8());
            } else {
                return self.char('"').map(|()| value);
            }
        }
    }

    /// A column, and perhaps arrows behind it.
    pub(super) fn field(&mut self) -> Option<Field> {
        self.spaced(|cursor| Some(Field { name: cursor.name()?, path: cursor.json_path()? }))
    }

    /// `->a->0->>b`, perhaps nothing.
    pub(super) fn json_path(&mut self) -> Option<Vec<JsonStep>> {
        let mut path = Vec::new();
        loop {
            let arrow = self.either(
                |cursor| cursor.text("->>").map(|()| true),
                |cursor| cursor.text("->").map(|()| false),
            );
            let Some(as_text) = arrow else { return Some(path) };
            let (key, is_index) = self.either(
                |cursor| cursor.attempt(Self::json_index).map(|index| (index, true)),
                |cursor| cursor.attempt(Self::json_key).map(|key| (key, false)),
            )?;
            path.push(JsonStep { key, is_index, as_text });
            let max = self.budget.limits.json_path_length_max;
            self.within(path.len(), "json_path_length_max", max)?;
        }
    }

    fn json_index(&mut self) -> Option<String> {
        let sign = if self.rest().starts_with('-') { self.take(1) } else { "" };
        let digits = self.take_while(|next| next.is_ascii_digit());
        self.hope("digit");
        if digits.is_empty() {
            return None;
        }
        // A place that is no key: `data->1` rather than `data->1st`.
        let is_last = self.rest().starts_with(')')
            || self.peek_text("->").is_some()
            || self.peek_text("::").is_some()
            || self.peek_text(".").is_some()
            || self.peek_text(",").is_some()
            || self.end().is_some();
        is_last.then(|| format!("{sign}{digits}"))
    }

    fn json_key(&mut self) -> Option<String> {
        self.labeled("any non reserved character different from: .,>()", |cursor| {
            cursor.either(Self::quoted, |cursor| {
                cursor.dashed(|cursor| {
                    let is_key = |next| !matches!(next, '(' | '-' | ':' | '.' | ',' | '>' | ')');
                    let taken = cursor.take_while(is_key);
                    cursor.miss_at(0);
                    (!taken.is_empty()).then(|| taken.trim().to_owned())
                })
            })
        })
    }

    /// `a.b.c->d`: the names before the last, and the last with its arrows.
    pub(super) fn tree_path(&mut self) -> Option<(Vec<String>, Field)> {
        let mut names = self.dotted_names()?;
        let name = names.pop()?;
        Some((names, Field { name, path: self.json_path()? }))
    }

    /// `a.b.c`
    pub(super) fn dotted_names(&mut self) -> Option<Vec<String>> {
        let mut names = vec![self.name()?];
        while self.optional(Self::delimiter)?.is_some() {
            names.push(self.name()?);
        }
        Some(names)
    }

    /// `a,b,c`
    pub(super) fn names(&mut self) -> Option<Vec<String>> {
        let (mut count, max) = (0, self.budget.limits.list_length_max);
        self.list(|cursor| {
            count += 1;
            cursor.within(count, "list_length_max", max)?;
            cursor.name()
        })
    }
}
