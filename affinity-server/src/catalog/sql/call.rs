use std::sync::Arc;

use super::answer::{AnswerStatement, Shape};
use super::statement::Statement;
use super::write::Given;
use crate::catalog::model::Identifier;

/// One statement that calls a function and answers with what it gives, as an [`AnswerStatement`] does.
#[derive(Clone, Debug)]
pub struct CallStatement {
    /// The function's schema.
    pub schema: Identifier,
    /// The function.
    pub name: Identifier,
    /// What goes in.
    pub arguments: CallArguments,
    /// What comes out: its rows come from [`Source::Given`](super::tree::Source::Given).
    pub answer: AnswerStatement,
}

/// What goes into a function.
#[derive(Clone, Debug)]
pub enum CallArguments {
    /// Texts by name.
    Texts(Vec<(CallArgument, String)>),
    /// One object in JSON, by name.
    Json {
        /// The object, in an array, and the types to read its keys as.
        given: Given,
        /// The arguments, in the order of the columns of `given`.
        arguments: Vec<CallArgument>,
    },
    /// One text, for the one argument, which has no name.
    Whole {
        /// The argument's type, as SQL.
        sql_type: Arc<str>,
        /// The text.
        text: String,
    },
}

/// An argument of a function.
#[derive(Clone, Debug)]
pub struct CallArgument {
    /// Its name.
    pub name: Identifier,
    /// Its type, as SQL.
    pub sql_type: Arc<str>,
    /// Whether it takes all that follow, as an array.
    pub is_variadic: bool,
}

impl CallStatement {
    /// The SQL.
    #[must_use]
    pub fn render(&self) -> Statement {
        let mut sql = Statement::default();
        sql.push("WITH ");
        if let CallArguments::Json { given, .. } = &self.arguments
            && !given.columns.is_empty()
        {
            sql.given(given);
            sql.push(", ");
        }
        let is_scalar = matches!(self.answer.shape, Shape::Values | Shape::Value);
        sql.push("called AS MATERIALIZED (SELECT f.* FROM ");
        if matches!(&self.arguments, CallArguments::Json { given, .. } if !given.columns.is_empty()) {
            sql.push("given CROSS JOIN LATERAL ");
        }
        sql.qualified(&self.schema, &self.name).push("(");
        self.arguments(&mut sql);
        sql.push(") AS f");
        if is_scalar {
            sql.push("(").name(&Identifier::scalar()).push(")");
        }
        sql.push("), ");
        self.answer.render_read(&mut sql, "called");
        sql
    }

    fn arguments(&self, sql: &mut Statement) {
        match &self.arguments {
            CallArguments::Texts(values) => {
                sql.separated(", ", values, |sql, (argument, text)| {
                    sql.named(argument);
                    sql.bind_for(&argument.name, text.clone(), &argument.sql_type);
                });
            }
            CallArguments::Json { arguments, .. } => {
                sql.separated(", ", arguments, |sql, argument| {
                    sql.named(argument);
                    sql.push("given.").name(&argument.name);
                });
            }
            CallArguments::Whole { sql_type, text } => {
                sql.bind(text.clone(), sql_type);
            }
        }
    }
}

impl Statement {
    fn named(&mut self, argument: &CallArgument) {
        if argument.is_variadic {
            self.push("VARIADIC ");
        }
        self.name(&argument.name).push(" => ");
    }
}
