//! The query string as a whole: which parameter is what, and which embedding it belongs to.

use super::ast::{Condition, Embedding, Field, Filter, Query, SelectItem};
use super::cursor::Cursor;
use super::filter::looks_like_filter;
use super::limits::{Budget, Limits};
use super::{RequestError, range};

/// What a parameter without an operator is.
#[derive(Clone, Copy)]
enum Rest<'f> {
    /// A mistake.
    Refused,
    /// An argument of the function whose arguments these are.
    Arguments(&'f dyn Fn(&str) -> bool),
}

/// The parameters that mean the same for every table; all others are filters.
pub(in crate::resource) const PARAMETERS: [&str; 9] =
    ["select", "order", "limit", "offset", "and", "or", "columns", "on_conflict", "after"];

/// What the last word of a key says.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Select,
    Columns,
    OnConflict,
    After,
    Order,
    Limit,
    Offset,
    Logic,
    Filter,
}

impl Role {
    fn of(key: &str, value: &str) -> Self {
        match key {
            "select" => return Self::Select,
            "columns" => return Self::Columns,
            "on_conflict" => return Self::OnConflict,
            // A cursor has no dots, so a column of this name can be filtered all the same.
            "after" if !looks_like_filter(value) => return Self::After,
            _ => {}
        }
        match key.rsplit('.').next() {
            Some("order") => Self::Order,
            Some("limit") => Self::Limit,
            Some("offset") => Self::Offset,
            Some("and" | "or") => Self::Logic,
            _ => Self::Filter,
        }
    }
}

/// The parameters of a query string as PostgREST hears them: of those that say one thing the first counts, of `limit`
/// and `offset` the last; a number that is none, and a name without `=`, say nothing.
#[must_use]
pub fn forgiving(query: &str) -> Vec<(String, String)> {
    let said = query.split('&').filter(|part| part.contains('=')).collect::<Vec<_>>().join("&");
    let mut heard: Vec<(String, String)> = Vec::new();
    for (key, value) in form_urlencoded::parse(said.as_bytes()).into_owned() {
        let role = Role::of(&key, &value);
        let earlier = heard.iter_mut().find(|(known, _)| *known == key);
        match (role, earlier) {
            (Role::Limit | Role::Offset, _) if value.parse::<i64>().is_err() => {}
            (Role::Limit | Role::Offset, Some((_, earlier))) => *earlier = value,
            (Role::Filter | Role::Logic, _) | (_, None) => heard.push((key, value)),
            (_, Some(_)) => {}
        }
    }
    heard
}

impl Query {
    /// Reads the decoded parameters of a query string, in the order they came, repeated ones repeated.
    ///
    /// ```
    /// use affinity_server::resource::request::{Limits, Query, RequestError, SelectItem};
    ///
    /// let pairs = [("select", "name,films(title)"), ("films.year", "gt.1990"), ("limit", "5")]
    ///     .map(|(key, value)| (key.to_owned(), value.to_owned()));
    /// let query = Query::parse(&pairs, &Limits::STANDARD)?;
    /// assert_eq!(query.window.limit, Some(5));
    /// let SelectItem::Embed(films) = &query.select[1] else { unreachable!() };
    /// assert_eq!(films.query.conditions.len(), 1);
    /// # Ok::<(), RequestError>(())
    /// ```
    ///
    /// # Errors
    /// When a parameter is not of the grammar, exceeds a limit, says one thing twice, or is about an embedding that
    /// `select` does not have.
    pub fn parse(pairs: &[(String, String)], limits: &Limits) -> Result<Self, RequestError> {
        Self::parse_with(pairs, limits, Rest::Refused)
    }

    /// As [`Query::parse`], for a function called by GET: a parameter that is no filter is an argument.
    ///
    /// One that `is_argument` names is an argument even when its value looks like a filter, unless it has been given
    /// before: `id=1&id=gt.5` calls with 1 and filters what comes back.
    ///
    /// # Errors
    /// As [`Query::parse`].
    pub fn parse_call(
        pairs: &[(String, String)],
        limits: &Limits,
        is_argument: impl Fn(&str) -> bool,
    ) -> Result<Self, RequestError> {
        Self::parse_with(pairs, limits, Rest::Arguments(&is_argument))
    }

    fn parse_with(pairs: &[(String, String)], limits: &Limits, rest: Rest<'_>) -> Result<Self, RequestError> {
        let max = limits.parameters_max;
        if pairs.len() > max {
            return Err(RequestError::LimitExceeded { limit: "parameters_max", max });
        }
        refuse_repeated(pairs)?;
        let mut budget = Budget::new(limits);
        let mut query = Self { select: vec![SelectItem::Star], ..Self::default() };
        // Before all others, which may be about its embeddings.
        if let Some((_, text)) = pairs.iter().find(|(key, value)| Role::of(key, value) == Role::Select) {
            query.select =
                Cursor::new(text, &mut budget).read(("select parameter", text), |cursor| cursor.select(0))?;
        }
        for (key, value) in pairs {
            query.add(key, value, rest, &mut budget)?;
        }
        Ok(query)
    }

    fn add(
        &mut self,
        key: &str,
        value: &str,
        rest: Rest<'_>,
        budget: &mut Budget<'_>,
    ) -> Result<(), RequestError> {
        match Role::of(key, value) {
            Role::Select => {}
            Role::Columns => {
                self.columns =
                    Some(Cursor::new(value, budget).read(("columns parameter", value), Cursor::names)?);
            }
            Role::OnConflict => {
                self.on_conflict =
                    Some(Cursor::new(value, budget).read(("on_conflict parameter", value), Cursor::names)?);
            }
            Role::After => self.after = Some(value.to_owned()),
            Role::Order => {
                let (path, _) = tree_path(key, budget)?;
                self.embedded(&path)?.order =
                    Cursor::new(value, budget).read(("order", value), Cursor::order)?;
            }
            Role::Limit => {
                let (path, _) = tree_path(key, budget)?;
                self.embedded(&path)?.window.limit = Some(range::count("limit", "Limit", value)?);
            }
            Role::Offset => {
                let (path, _) = tree_path(key, budget)?;
                self.embedded(&path)?.window.offset = range::count("offset", "Offset", value)?;
            }
            Role::Logic => {
                let (path, condition) = logic(key, value, budget)?;
                self.embedded(&path)?.conditions.push(condition);
            }
            Role::Filter if self.is_argument(key, value, rest) => {
                self.arguments.push((key.to_owned(), value.to_owned()));
            }
            Role::Filter => {
                let (path, field) = tree_path(key, budget)?;
                let (is_negated, operator) =
                    Cursor::new(value, budget).read(("filter", value), Cursor::filter_value)?;
                let filter = Filter { field, is_negated, operator };
                self.embedded(&path)?.conditions.push(Condition::Filter(filter));
            }
        }
        Ok(())
    }

    fn is_argument(&self, key: &str, value: &str, rest: Rest<'_>) -> bool {
        let Rest::Arguments(is_argument) = rest else { return false };
        let is_given = || self.arguments.iter().any(|(name, _)| name == key);
        !looks_like_filter(value) || (is_argument(key) && !is_given())
    }

    /// The query of the embedding at `path`, by alias, or by name where there is no alias.
    fn embedded(&mut self, path: &[String]) -> Result<&mut Self, RequestError> {
        let Some((first, rest)) = path.split_first() else { return Ok(self) };
        let found = self.select.iter_mut().find_map(|item| match item {
            SelectItem::Embed(embedding) if embedding.key() == first => Some(embedding),
            _ => None,
        });
        found.ok_or_else(|| RequestError::NotEmbedded { relation: first.clone() })?.query.embedded(rest)
    }
}

impl Embedding {
    /// What parameters call it: the alias, or the relation when it has none.
    #[must_use]
    pub fn key(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.relation)
    }
}

/// Filters and arguments may be repeated, all else says one thing.
fn refuse_repeated(pairs: &[(String, String)]) -> Result<(), RequestError> {
    let mut seen = Vec::new();
    for (key, value) in pairs {
        if matches!(Role::of(key, value), Role::Filter | Role::Logic) {
            continue;
        }
        if seen.contains(&key) {
            return Err(RequestError::Repeated { parameter: key.clone() });
        }
        seen.push(key);
    }
    Ok(())
}

fn tree_path(key: &str, budget: &mut Budget<'_>) -> Result<(Vec<String>, Field), RequestError> {
    Cursor::new(key, budget).read(("tree path", key), Cursor::tree_path)
}

/// `path.not.and` and what it says; `and` and `or` themselves are read with the value.
fn logic(key: &str, value: &str, budget: &mut Budget<'_>) -> Result<(Vec<String>, Condition), RequestError> {
    let mut path = Cursor::new(key, budget).read(("logic path", key), Cursor::dotted_names)?;
    let connective = path.pop().unwrap_or_default();
    let names = path.len();
    path.retain(|name| name != "not");
    let not = if path.len() < names { "not." } else { "" };
    let text = format!("{not}{connective}{value}");
    let condition = Cursor::new(&text, budget).read(("logic tree", value), |cursor| cursor.logic(0))?;
    Ok((path, condition))
}
