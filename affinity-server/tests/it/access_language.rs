//! The language of `access.json`, read and evaluated over rows in memory: the slow and obvious answer to who may do
//! what, which the policies of the database are compared with.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub(crate) type Row = Map<String, Value>;

/// A condition; `None` from [`World::holds`] is SQL's unknown.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    Always,
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Compare(Term, String, Term),
    In(Term, Vec<Term>),
    Null(Term),
    True(Term),
    Call(String, Vec<Term>),
    /// `row in T with C`
    Row(String, Box<Self>),
    /// `every element e of T with C`
    Every(Term, Box<Self>),
}

#[derive(Clone, Debug)]
pub(crate) enum Term {
    Literal(String),
    Argument(usize),
    Name(String),
}

/// Reads a condition.
pub(crate) fn parse(text: &str) -> Condition {
    let mut parser = Parser { tokens: tokens(text), place: 0 };
    let condition = parser.any();
    assert_eq!(parser.place, parser.tokens.len(), "{text}: {:?}", parser.tokens);
    condition
}

fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => rest[1..].find('\'').unwrap() + 2,
            '(' | ')' | ',' | '=' => 1,
            '<' if rest.starts_with("<>") => 2,
            '<' => 1,
            _ => rest.find(|at: char| !(at.is_alphanumeric() || "_$".contains(at))).unwrap_or(rest.len()),
        };
        assert!(length > 0, "{rest}");
        found.push(rest[..length].to_string());
        rest = rest[length..].trim_start();
    }
    found
}

struct Parser {
    tokens: Vec<String>,
    place: usize,
}

impl Parser {
    fn takes(&mut self, words: &str) -> bool {
        let words: Vec<_> = words.split(' ').collect();
        let found =
            self.tokens[self.place..].iter().map(String::as_str).take(words.len()).eq(words.iter().copied());
        self.place += if found { words.len() } else { 0 };
        found
    }

    fn needs(&mut self, words: &str) {
        assert!(self.takes(words), "expected {words} at {} of {:?}", self.place, self.tokens);
    }

    fn next(&mut self) -> String {
        self.place += 1;
        self.tokens[self.place - 1].clone()
    }

    fn any(&mut self) -> Condition {
        let mut parts = vec![self.all()];
        while self.takes("or") {
            parts.push(self.all());
        }
        Condition::Any(parts)
    }

    fn all(&mut self) -> Condition {
        let mut parts = vec![self.one()];
        while self.takes("and") {
            parts.push(self.one());
        }
        Condition::All(parts)
    }

    fn one(&mut self) -> Condition {
        if self.takes("not") {
            return Condition::Not(Box::new(self.one()));
        }
        if self.takes("always") {
            return Condition::Always;
        }
        if self.takes("(") {
            let inner = self.any();
            self.needs(")");
            return inner;
        }
        if self.takes("row in") {
            let table = self.next();
            self.needs("with");
            return Condition::Row(table, Box::new(self.any()));
        }
        if self.takes("every element e of") {
            let list = self.term();
            self.needs("with");
            return Condition::Every(list, Box::new(self.any()));
        }
        let left = self.term();
        if let Term::Name(name) = &left
            && self.takes("(")
        {
            return Condition::Call(name.clone(), self.list());
        }
        if self.takes("is null") {
            return Condition::Null(left);
        }
        if self.takes("is not null") {
            return Condition::Not(Box::new(Condition::Null(left)));
        }
        if self.takes("in (") {
            return Condition::In(left, self.list());
        }
        for operator in ["=", "<>", "<", "contains"] {
            if self.takes(operator) {
                return Condition::Compare(left, operator.to_string(), self.term());
            }
        }
        Condition::True(left)
    }

    fn list(&mut self) -> Vec<Term> {
        let mut terms = Vec::new();
        while !self.takes(")") {
            terms.push(self.term());
            self.takes(",");
        }
        terms
    }

    fn term(&mut self) -> Term {
        let token = self.next();
        match token.as_bytes() {
            [b'\'', inner @ .., b'\''] => Term::Literal(String::from_utf8(inner.to_vec()).unwrap()),
            [b'$', ..] => Term::Argument(token[1..].parse::<usize>().unwrap() - 1),
            _ => Term::Name(token),
        }
    }
}

/// Rows, predicates and who asks.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) tables: BTreeMap<String, Vec<Row>>,
    pub(crate) predicates: BTreeMap<String, Condition>,
    pub(crate) me: Value,
    /// As the rows write times.
    pub(crate) now: Value,
}

impl World {
    /// Whether the condition holds for a row.
    pub(crate) fn admits(&self, condition: &Condition, row: &Row) -> bool {
        self.holds(condition, row, &[]) == Some(true)
    }

    /// Whether the condition holds for a row and the arguments of the predicate it is in; `None` when unknown.
    fn holds(&self, condition: &Condition, row: &Row, arguments: &[Value]) -> Option<bool> {
        let value = |term: &Term| self.value(term, row, arguments);
        match condition {
            Condition::Always => Some(true),
            Condition::All(parts) => settle(parts.iter().map(|part| self.holds(part, row, arguments)), false),
            Condition::Any(parts) => settle(parts.iter().map(|part| self.holds(part, row, arguments)), true),
            Condition::Not(inner) => self.holds(inner, row, arguments).map(|holds| !holds),
            Condition::Null(term) => Some(value(term).is_null()),
            Condition::True(term) => value(term).as_bool(),
            Condition::In(left, list) => {
                settle(list.iter().map(|term| equal(&value(left), &value(term))), true)
            }
            Condition::Compare(left, operator, right) => {
                let (left, right) = (value(left), value(right));
                match operator.as_str() {
                    "=" => equal(&left, &right),
                    "<>" => equal(&left, &right).map(|equal| !equal),
                    "<" => Some(left.as_str()? < right.as_str()?), // times of one zone
                    _ => settle(left.as_array()?.iter().map(|item| equal(item, &right)), true),
                }
            }
            Condition::Call(name, terms) => {
                let arguments: Vec<_> = terms.iter().map(value).collect();
                let body = self.predicates.get(name).unwrap_or_else(|| panic!("{name}"));
                self.holds(body, &Row::new(), &arguments)
            }
            Condition::Row(table, inner) => {
                let mut rows = self.tables[table].iter();
                Some(rows.any(|row| self.holds(inner, row, arguments) == Some(true)))
            }
            Condition::Every(list, inner) => {
                let list = value(list);
                let mut items = list.as_array().into_iter().flatten();
                Some(items.all(|item| {
                    let row = Row::from_iter([("e".to_string(), item.clone())]);
                    self.holds(inner, &row, arguments) != Some(false)
                }))
            }
        }
    }

    fn value(&self, term: &Term, row: &Row, arguments: &[Value]) -> Value {
        match term {
            Term::Literal(text) => Value::String(text.clone()),
            Term::Argument(place) => arguments[*place].clone(),
            Term::Name(name) if name == "me" => self.me.clone(),
            Term::Name(name) if name == "now" => self.now.clone(),
            Term::Name(name) => row.get(name).unwrap_or_else(|| panic!("{name} in {row:?}")).clone(),
        }
    }
}

fn equal(left: &Value, right: &Value) -> Option<bool> {
    (!left.is_null() && !right.is_null()).then(|| left == right)
}

/// SQL's `or` when `by` is true, its `and` when it is false: one such part settles it, else an unknown one does.
fn settle(mut parts: impl Iterator<Item = Option<bool>>, by: bool) -> Option<bool> {
    parts
        .try_fold(Some(!by), |so_far, part| match part {
            Some(part) if part == by => Err(Some(by)),
            Some(_) => Ok(so_far),
            None => Ok(None),
        })
        .unwrap_or_else(|settled| settled)
}

#[test]
fn unknown_is_neither_held_nor_refused() {
    let world =
        World { tables: BTreeMap::new(), predicates: BTreeMap::new(), me: Value::Null, now: Value::Null };
    let row = Row::from_iter([("id".to_string(), "a".into()), ("left_at".to_string(), Value::Null)]);
    for (text, expected) in [
        ("id = me", None),
        ("not id = me", None),
        ("id = me or id = 'a'", Some(true)),
        ("id = me and id = 'b'", Some(false)),
        ("left_at is null and id in ('b', 'a')", Some(true)),
        ("id <> 'a' or left_at is not null", Some(false)),
    ] {
        assert_eq!(world.holds(&parse(text), &row, &[]), expected, "{text}");
    }
}
