use std::fmt;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::problem::Problem;

/// A request that names what is not there, or asks for what is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// There is no such table.
    UnknownTable {
        /// Where it was looked for.
        schema: String,
        /// Its name.
        table: String,
        /// The name most like it.
        nearest: Option<String>,
        /// Why it is not served, when it exists.
        refused: Option<&'static str>,
    },
    /// The schema is not served.
    UnknownSchema {
        /// Its name.
        schema: String,
        /// Those that are.
        allowed: Vec<String>,
    },
    /// The relation has no such column.
    UnknownColumn {
        /// The relation.
        relation: String,
        /// In how many others it is embedded.
        depth: usize,
        /// The column.
        column: String,
        /// The name most like it.
        nearest: Option<String>,
        /// The columns that it has.
        allowed: Vec<String>,
    },
    /// The keys of a body, `columns` or `on_conflict` name no column.
    UnknownBodyColumn {
        /// The relation.
        relation: String,
        /// The column.
        column: String,
        /// The name most like it.
        nearest: Option<String>,
    },
    /// Nothing relates the two.
    NoRelationship {
        /// Where the way would start.
        from: String,
        /// What was asked for.
        to: String,
        /// How.
        hint: Option<String>,
        /// Where it was looked for.
        schema: String,
        /// The name most like `to`.
        nearest: Option<String>,
    },
    /// More than one way relates the two.
    AmbiguousRelationship {
        /// Where the ways start.
        from: String,
        /// What was asked for.
        to: String,
        /// The ways, as PostgREST describes them.
        ways: Vec<Way>,
    },
    /// Something is said about a relation that is not embedded.
    NotEmbedded {
        /// Its name.
        relation: String,
    },
    /// Two embeddings would be under the same key.
    EmbeddedTwice {
        /// The relation.
        table: String,
        /// The key.
        embed: String,
    },
    /// Rows cannot be ordered by one of many related rows.
    OrderByMany {
        /// The relation.
        from: String,
        /// The related one.
        to: String,
    },
    /// Embedded rows can only be there or not.
    FilterOnEmbed {
        /// The embedding.
        embed: String,
    },
    /// No function of this name takes these arguments.
    UnknownFunction {
        /// Where it was looked for.
        schema: String,
        /// Its name.
        function: String,
        /// The arguments given, sorted.
        arguments: Vec<String>,
        /// What a body alone could have been, besides: such as `json/jsonb`.
        whole: Option<&'static str>,
        /// The name, or name with arguments, most like it.
        nearest: Option<String>,
    },
    /// More than one function does.
    AmbiguousFunction {
        /// Each with its arguments.
        candidates: Vec<String>,
    },
    /// Aggregates are off.
    AggregatesDisabled,
    /// The type cannot be cast to.
    UnknownCast {
        /// Its name.
        name: String,
        /// Those that can.
        allowed: Vec<&'static str>,
    },
    /// A key of the answer that PostgreSQL would cut.
    LabelTooLong {
        /// The key.
        label: String,
    },
}

/// One of several ways from a relation to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// `many-to-one` and the like.
    pub cardinality: &'static str,
    /// By which columns of what.
    pub relationship: String,
    /// The name that chooses it.
    pub hint: String,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTable { schema, table, .. } => {
                write!(f, "Could not find the table '{schema}.{table}' in the schema cache")
            }
            Self::UnknownSchema { schema, .. } => write!(f, "Invalid schema: {schema}"),
            Self::UnknownColumn { relation, depth: 0, column, .. } => {
                write!(f, "column {relation}.{column} does not exist")
            }
            // PostgREST calls an embedded relation so.
            Self::UnknownColumn { relation, depth, column, .. } => {
                write!(f, "column {relation}_{depth}.{column} does not exist")
            }
            Self::UnknownBodyColumn { relation, column, .. } => {
                write!(f, "Could not find the '{column}' column of '{relation}' in the schema cache")
            }
            Self::NoRelationship { from, to, .. } => {
                write!(f, "Could not find a relationship between '{from}' and '{to}' in the schema cache")
            }
            Self::AmbiguousRelationship { from, to, .. } => write!(
                f,
                "Could not embed because more than one relationship was found for '{from}' and '{to}'"
            ),
            Self::NotEmbedded { relation } => {
                write!(f, "'{relation}' is not an embedded resource in this request")
            }
            Self::EmbeddedTwice { table, embed } => {
                write!(f, "table name \"{table}_{embed}_1\" specified more than once")
            }
            Self::OrderByMany { to, .. } => write!(f, "A related order on '{to}' is not possible"),
            Self::FilterOnEmbed { embed } => write!(f, "Bad operator on the '{embed}' embedded resource"),
            Self::UnknownFunction { schema, function, arguments, .. } => {
                let arguments = match arguments.as_slice() {
                    [] => " without parameters".to_owned(),
                    names => format!("({})", names.join(", ")),
                };
                write!(f, "Could not find the function {schema}.{function}{arguments} in the schema cache")
            }
            Self::AmbiguousFunction { candidates } => {
                write!(f, "Could not choose the best candidate function between: {}", candidates.join(", "))
            }
            Self::AggregatesDisabled => f.write_str("Use of aggregate functions is not allowed"),
            Self::UnknownCast { name, .. } => write!(f, "cannot cast to type \"{name}\""),
            Self::LabelTooLong { label } => {
                write!(f, "the key \"{label}\" has {} bytes, at most 63 are possible", label.len())
            }
        }
    }
}

impl std::error::Error for PlanError {}

impl PlanError {
    /// The same, of a relation that is embedded in one more.
    #[must_use]
    pub(super) fn embedded(mut self) -> Self {
        if let Self::UnknownColumn { depth, .. } = &mut self {
            *depth += 1;
        }
        self
    }

    fn status_and_code(&self) -> (StatusCode, &'static str) {
        let bad = StatusCode::BAD_REQUEST;
        match self {
            Self::UnknownTable { .. } => (StatusCode::NOT_FOUND, "PGRST205"),
            Self::UnknownSchema { .. } => (StatusCode::NOT_ACCEPTABLE, "PGRST106"),
            Self::UnknownColumn { .. } => (bad, "42703"),
            Self::UnknownBodyColumn { .. } => (bad, "PGRST204"),
            Self::NoRelationship { .. } => (bad, "PGRST200"),
            Self::AmbiguousRelationship { .. } => (StatusCode::MULTIPLE_CHOICES, "PGRST201"),
            Self::NotEmbedded { .. } => (bad, "PGRST108"),
            Self::EmbeddedTwice { .. } => (bad, "42712"),
            Self::OrderByMany { .. } => (bad, "PGRST118"),
            Self::FilterOnEmbed { .. } => (bad, "PGRST120"),
            Self::UnknownFunction { .. } => (StatusCode::NOT_FOUND, "PGRST202"),
            Self::AmbiguousFunction { .. } => (StatusCode::MULTIPLE_CHOICES, "PGRST203"),
            Self::AggregatesDisabled => (bad, "PGRST123"),
            Self::UnknownCast { .. } | Self::LabelTooLong { .. } => (bad, "PGRST100"),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::UnknownTable { refused: Some(reason), .. } => json!(reason),
            Self::NoRelationship { from, to, hint, schema, .. } => {
                let hint = hint.as_ref().map_or(String::new(), |hint| format!("' using the hint '{hint}"));
                json!(format!(
                    "Searched for a foreign key relationship between '{from}' and '{to}{hint}' in the schema \
                     '{schema}', but no matches were found."
                ))
            }
            Self::AmbiguousRelationship { from, to, ways } => {
                let described = ways.iter().map(|way| {
                    json!({
                        "cardinality": way.cardinality,
                        "embedding": format!("{from} with {to}"),
                        "relationship": way.relationship,
                    })
                });
                described.collect()
            }
            Self::UnknownFunction { schema, function, arguments, whole, .. } => {
                let arguments = match arguments.as_slice() {
                    [] => " without parameters".to_owned(),
                    [name] => format!(" with parameter {name}"),
                    names => format!(" with parameters {}", names.join(", ")),
                };
                let whole = whole
                    .map_or(String::new(), |whole| format!(" or with a single unnamed {whole} parameter"));
                json!(format!(
                    "Searched for the function {schema}.{function}{arguments}{whole}, but no matches were found in the \
                     schema cache."
                ))
            }
            Self::OrderByMany { from, to } => {
                json!(format!("'{from}' and '{to}' do not form a many-to-one or one-to-one relationship"))
            }
            Self::FilterOnEmbed { .. } => {
                json!("Only is null or not is null filters are allowed on embedded resources")
            }
            _ => Value::Null,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownTable { schema, nearest, .. } => {
                nearest.as_ref().map(|table| format!("Perhaps you meant the table '{schema}.{table}'"))
            }
            Self::UnknownSchema { allowed, .. } => {
                Some(format!("Only the following schemas are exposed: {}", allowed.join(", ")))
            }
            Self::UnknownColumn { relation, nearest, .. } => nearest
                .as_ref()
                .map(|column| format!("Perhaps you meant to reference the column \"{relation}.{column}\".")),
            Self::UnknownBodyColumn { nearest, .. } => {
                nearest.as_ref().map(|column| format!("Perhaps you meant the column '{column}'"))
            }
            Self::NoRelationship { to, nearest, .. } => {
                nearest.as_ref().map(|near| format!("Perhaps you meant '{near}' instead of '{to}'."))
            }
            Self::AmbiguousRelationship { to, ways, .. } => {
                let choices: Vec<String> = ways.iter().map(|way| format!("'{to}!{}'", way.hint)).collect();
                Some(format!(
                    "Try changing '{to}' to one of the following: {}. Find the desired relationship in the \
                     'details' key.",
                    choices.join(", ")
                ))
            }
            Self::UnknownFunction { schema, nearest, .. } => {
                nearest.as_ref().map(|near| format!("Perhaps you meant to call the function {schema}.{near}"))
            }
            Self::AmbiguousFunction { .. } => Some(
                "Try renaming the parameters or the function itself in the database so function overloading can be \
                 resolved"
                    .to_owned(),
            ),
            Self::NotEmbedded { relation } => {
                Some(format!("Verify that '{relation}' is included in the 'select' query parameter."))
            }
            _ => None,
        }
    }
}

impl From<PlanError> for Problem {
    fn from(error: PlanError) -> Self {
        let (status, code) = error.status_and_code();
        let mut problem = Self::rest(status, code, error.to_string()).details(error.details());
        if let Some(hint) = error.hint() {
            problem = problem.hint(hint);
        }
        match error {
            PlanError::UnknownColumn { allowed, .. } | PlanError::UnknownSchema { allowed, .. } => {
                problem.allowed(allowed)
            }
            PlanError::UnknownCast { allowed, .. } => problem.allowed(allowed),
            _ => problem,
        }
    }
}
