use super::error::PlanError;
use super::nearest::{most_alike, nearest};
use super::planner::{Planner, Table};
use crate::catalog::{
    Column, DataType, Function, Identifier, Label, Output, OutputValue, Returns, Rows, Shape, Source, Value,
};
use crate::resource::request::Query;

/// What a body is when it is one argument, rather than an object of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WholeBody {
    /// JSON, which may also be an object of arguments.
    Json,
    /// `text/plain`
    Text,
    /// `text/xml`
    Xml,
    /// `application/octet-stream`
    Bytes,
}

impl WholeBody {
    fn takes(self, data_type: &DataType) -> bool {
        let bases: &[&str] = match self {
            Self::Json => &["json", "jsonb"],
            Self::Text => &["text"],
            Self::Xml => &["xml"],
            Self::Bytes => &["bytea"],
        };
        !data_type.is_array && bases.contains(&&*data_type.base)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Json => "json/jsonb",
            Self::Text => "text",
            Self::Xml => "xml",
            Self::Bytes => "bytea",
        }
    }
}

impl<'a> Planner<'a> {
    /// The function `name` that takes arguments of these names, and whether it takes the whole body instead.
    ///
    /// # Errors
    /// [`PlanError::UnknownFunction`] or [`PlanError::AmbiguousFunction`].
    pub fn find_function(
        &self,
        name: &str,
        given: &[&str],
        whole: Option<WholeBody>,
    ) -> Result<(&'a Function, bool), PlanError> {
        let overloads: Vec<&Function> =
            self.catalog.functions(self.schema, name).filter(|function| is_callable(function)).collect();
        let by_whole = overloads.iter().copied().filter(|function| {
            unnamed(function).is_some_and(|of| whole.is_some_and(|whole| whole.takes(of)))
        });
        let is_by_name = whole.is_none_or(|whole| whole == WholeBody::Json);
        let by_name: Vec<_> = overloads
            .iter()
            .copied()
            .filter(|function| is_by_name && takes(function, given))
            // An argument without a name is given as `{"": ...}`, and is then the body.
            .map(|function| (function, unnamed(function).is_some() && !given.is_empty()))
            .filter(|(_, is_whole)| whole.is_some() || !is_whole)
            .collect();
        let candidates = match by_name.is_empty() {
            true => by_whole.map(|function| (function, true)).collect(),
            false => by_name,
        };
        match candidates.as_slice() {
            [one] => Ok(*one),
            [] => Err(self.unknown_function(name, given, whole, &overloads)),
            many => Err(PlanError::AmbiguousFunction {
                candidates: many.iter().map(|(function, _)| described(function)).collect(),
            }),
        }
    }

    fn unknown_function(
        &self,
        name: &str,
        given: &[&str],
        whole: Option<WholeBody>,
        overloads: &[&Function],
    ) -> PlanError {
        let mut arguments: Vec<String> = given.iter().map(ToString::to_string).collect();
        arguments.sort();
        let listed = |names: &[String]| format!("({})", names.join(", "));
        let nearest = if overloads.is_empty() {
            let all = self.catalog.all_functions().iter();
            let callable = all.filter(|function| function.schema == *self.schema && is_callable(function));
            most_alike(name, callable.map(|function| function.name.name())).map(str::to_owned)
        } else {
            let known = overloads.iter().map(|function| {
                let mut names: Vec<String> =
                    function.arguments.iter().map(|argument| argument.name.name().to_owned()).collect();
                names.sort();
                listed(&names)
            });
            let known: Vec<String> = known.collect();
            nearest(&listed(&arguments), known.iter().map(String::as_str))
                .map(|known| format!("{name}{known}"))
        };
        PlanError::UnknownFunction {
            schema: self.schema.name().to_owned(),
            function: name.to_owned(),
            arguments,
            whole: whole.map(WholeBody::name),
            nearest,
        }
    }

    /// What to give of what a function returns, and what that is to the client; `None` when it returns nothing.
    ///
    /// # Errors
    /// As [`Planner::rows`].
    pub fn returned(
        &self,
        function: &'a Function,
        query: &Query,
    ) -> Result<Option<(Table<'a>, Rows, Shape)>, PlanError> {
        let shape = |is_set| if is_set { Shape::Rows } else { Shape::Row };
        let (table, row_type, shape) = match &function.returns {
            Returns::Void => return Ok(None),
            Returns::Rows { relation, is_set } => {
                let of = self.relation(*relation);
                (self.table(*relation), Some((of.schema.clone(), of.name.clone())), shape(*is_set))
            }
            Returns::Record { columns, is_set } => {
                (Table { relation: None, name: function.name.name(), columns }, None, shape(*is_set))
            }
            Returns::Value { data_type, is_set } => {
                let mut rows = Rows::all(Source::Given { row_type: None });
                let name = Identifier::scalar();
                let value = Value::column(&name, &data_type.sql);
                rows.outputs.push(Output {
                    label: Label::of(&name),
                    value: OutputValue::Own { value, cast: None, aggregate: None },
                });
                (rows.limit, rows.offset) = (query.window.limit, query.window.offset);
                let columns: &[Column] = &[];
                let table = Table { relation: None, name: function.name.name(), columns };
                return Ok(Some((table, rows, if *is_set { Shape::Values } else { Shape::Value })));
            }
        };
        let rows = self.rows(table, Source::Given { row_type }, query)?;
        Ok(Some((table, rows, shape)))
    }
}

/// The type of the only argument, when that has no name.
fn unnamed(function: &Function) -> Option<&DataType> {
    match function.arguments.as_slice() {
        [only] if only.name.name().is_empty() => Some(&only.data_type),
        _ => None,
    }
}

/// Whether requests can name every argument, or give the only one as a body.
fn is_callable(function: &Function) -> bool {
    let can_be_body = |of| {
        [WholeBody::Json, WholeBody::Text, WholeBody::Xml, WholeBody::Bytes].iter().any(|body| body.takes(of))
    };
    !function.is_procedure
        && match unnamed(function) {
            Some(of) => can_be_body(of),
            None => function.arguments.iter().all(|argument| !argument.name.name().is_empty()),
        }
}

/// Whether a function takes arguments of just these names.
fn takes(function: &Function, given: &[&str]) -> bool {
    let arguments = &function.arguments;
    let is_known = |name: &&str| arguments.iter().any(|argument| argument.name.name() == *name);
    given.iter().all(is_known)
        && arguments.iter().all(|argument| {
            argument.is_optional || argument.is_variadic || given.contains(&argument.name.name())
        })
}

fn described(function: &Function) -> String {
    let arguments: Vec<String> = function
        .arguments
        .iter()
        .map(|argument| format!("{} => {}", argument.name.name(), argument.data_type.sql))
        .collect();
    format!("{}.{}({})", function.schema.name(), function.name.name(), arguments.join(", "))
}
