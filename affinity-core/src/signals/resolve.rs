//! From names in a matcher's text to ids of the schema, with errors that point at the line.

use std::fmt;

use toml::Spanned;

use crate::graph::{
    AttributeId, AttributeType, Condition, ConditionError, KindId, RelationId, Schema, SpaceId, TermSpaceId,
    line_of,
};

/// Why a matcher was refused.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MatcherError {
    /// Not TOML, or a key, type or value that a matcher does not have.
    Syntax {
        /// The file, or whatever the text was called.
        file: String,
        /// 1-based; 0 when unknown.
        line: usize,
        /// What was found and what is allowed, as the parser says it.
        reason: String,
    },
    /// A name refers to nothing declared, or to something of another sort.
    Unknown {
        /// The file.
        file: String,
        /// 1-based.
        line: usize,
        /// The field that holds the name.
        field: &'static str,
        /// The name found.
        got: String,
        /// The names that would do.
        allowed: Vec<String>,
    },
    /// A value is out of its range.
    OutOfRange {
        /// The file.
        file: String,
        /// 1-based.
        line: usize,
        /// The field.
        field: &'static str,
        /// The value found.
        got: String,
        /// What is allowed, in words.
        expected: String,
    },
    /// A condition does not fit what it is put to.
    Condition {
        /// The file.
        file: String,
        /// 1-based.
        line: usize,
        /// What is wrong.
        error: ConditionError,
    },
}

impl fmt::Display for MatcherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { file, line, reason } => write!(f, "{file} line {line}: {reason}"),
            Self::Unknown { file, line, field, got, allowed } => {
                write!(
                    f,
                    "{file} line {line}: field \"{field}\" names \"{got}\", expected one of: {}",
                    allowed.join(", ")
                )
            }
            Self::OutOfRange { file, line, field, got, expected } => {
                write!(f, "{file} line {line}: field \"{field}\" is {got}, expected {expected}")
            }
            Self::Condition { file, line, error } => write!(f, "{file} line {line}: {error}"),
        }
    }
}

impl std::error::Error for MatcherError {}

/// A name with its place in the text.
pub(crate) type Name = Spanned<String>;

/// The schema and the text that a matcher is resolved against.
pub(crate) struct Resolve<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
    pub(crate) from: KindId,
    pub(crate) to: KindId,
}

impl Resolve<'_> {
    fn line<T>(&self, at: &Spanned<T>) -> usize {
        line_of(self.text, at.span().start)
    }

    pub(crate) fn unknown(&self, field: &'static str, name: &Name, allowed: Vec<String>) -> MatcherError {
        let (file, line) = (self.file.to_string(), self.line(name));
        MatcherError::Unknown { file, line, field, got: name.get_ref().clone(), allowed }
    }

    pub(crate) fn out_of_range<T: fmt::Debug>(
        &self,
        field: &'static str,
        at: &Spanned<T>,
        expected: &str,
    ) -> MatcherError {
        MatcherError::OutOfRange {
            file: self.file.to_string(),
            line: self.line(at),
            field,
            got: format!("{:?}", at.get_ref()),
            expected: expected.to_string(),
        }
    }

    /// The number behind `at` when it is finite, above 0 and at most `max`.
    pub(crate) fn positive(
        &self,
        field: &'static str,
        at: &Spanned<f64>,
        max: f64,
    ) -> Result<f64, MatcherError> {
        let got = *at.get_ref();
        if got > 0.0 && got <= max {
            return Ok(got);
        }
        Err(self.out_of_range(field, at, &format!("a number above 0, at most {max}")))
    }

    pub(crate) fn relation(&self, field: &'static str, name: &Name) -> Result<RelationId, MatcherError> {
        self.schema.relation(name.get_ref()).ok_or_else(|| {
            let relations = self.schema.relations().iter();
            self.unknown(field, name, relations.map(|relation| relation.name.clone()).collect())
        })
    }

    /// A relation walked from `from`; `reversed` goes against its direction.
    ///
    /// Returns the relation and the kind it leads to.
    pub(crate) fn step(
        &self,
        field: &'static str,
        name: &Name,
        reversed: bool,
        from: KindId,
    ) -> Result<(RelationId, KindId), MatcherError> {
        let ends = |relation: &crate::graph::Relation| {
            if reversed { (relation.to, relation.from) } else { (relation.from, relation.to) }
        };
        let id = self.relation(field, name)?;
        let (start, end) = ends(&self.schema.relations()[id.index()]);
        if start == from {
            return Ok((id, end));
        }
        let fitting = self.schema.relations().iter().filter(|relation| ends(relation).0 == from);
        Err(self.unknown(field, name, fitting.map(|relation| relation.name.clone()).collect()))
    }

    pub(crate) fn space(
        &self,
        field: &'static str,
        name: &Name,
        kind: KindId,
    ) -> Result<SpaceId, MatcherError> {
        let spaces = self.schema.spaces();
        match self.schema.space(name.get_ref()) {
            Some(id) if spaces[id.index()].kind == kind => Ok(id),
            _ => {
                let fitting = spaces.iter().filter(|space| space.kind == kind);
                Err(self.unknown(field, name, fitting.map(|space| space.name.clone()).collect()))
            }
        }
    }

    pub(crate) fn term_space(
        &self,
        field: &'static str,
        name: &Name,
        kind: KindId,
    ) -> Result<TermSpaceId, MatcherError> {
        let spaces = self.schema.term_spaces();
        match self.schema.term_space(name.get_ref()) {
            Some(id) if spaces[id.index()].kind == kind => Ok(id),
            _ => {
                let fitting = spaces.iter().filter(|space| space.kind == kind);
                Err(self.unknown(field, name, fitting.map(|space| space.name.clone()).collect()))
            }
        }
    }

    /// An attribute of a kind with one of these types.
    pub(crate) fn attribute(
        &self,
        field: &'static str,
        name: &Name,
        kind: KindId,
        types: &[AttributeType],
    ) -> Result<(AttributeId, AttributeType), MatcherError> {
        let attributes = &self.schema.kinds()[kind.index()].attributes;
        match attributes.find(name.get_ref()) {
            Some((id, of)) if types.contains(&of) => Ok((id, of)),
            _ => {
                let fitting = attributes.entries().iter().filter(|(_, of)| types.contains(of));
                Err(self.unknown(field, name, fitting.map(|(known, _)| known.clone()).collect()))
            }
        }
    }

    /// Conditions on nodes of a kind.
    pub(crate) fn node_conditions(
        &self,
        conditions: Vec<Spanned<Condition>>,
        kind: KindId,
    ) -> Result<Vec<Condition>, MatcherError> {
        self.conditions(conditions, &self.schema.kinds()[kind.index()].attributes, false)
    }

    /// Conditions on edges of a relation.
    pub(crate) fn edge_conditions(
        &self,
        conditions: Vec<Spanned<Condition>>,
        relation: RelationId,
    ) -> Result<Vec<Condition>, MatcherError> {
        self.conditions(conditions, &self.schema.relations()[relation.index()].attributes, true)
    }

    fn conditions(
        &self,
        conditions: Vec<Spanned<Condition>>,
        of: &crate::graph::Attributes,
        is_edge: bool,
    ) -> Result<Vec<Condition>, MatcherError> {
        let source = &self.schema.kinds()[self.from.index()].attributes;
        let mut checked = Vec::with_capacity(conditions.len());
        for condition in conditions {
            let line = self.line(&condition);
            let condition = condition.into_inner();
            condition.check(of, source, is_edge).map_err(|error| MatcherError::Condition {
                file: self.file.to_string(),
                line,
                error,
            })?;
            checked.push(condition);
        }
        Ok(checked)
    }
}
