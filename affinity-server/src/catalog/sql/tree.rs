//! What a request asks for in the catalog's names: a tree of row queries, ready to be rendered.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::catalog::model::Identifier;
use crate::resource::request::{Aggregate, JsonStep, NullsPlace, Operator};

/// A key in an answer: what a client calls a column. Quoted like a name of the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label(Identifier);

impl Label {
    /// Bytes that PostgreSQL keeps of a name.
    pub const BYTES_MAX: usize = 63;

    /// `None` unless it has 1 to [`Self::BYTES_MAX`] bytes and no NUL.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_fine = (1..=Self::BYTES_MAX).contains(&text.len()) && !text.contains('\0');
        is_fine.then(|| Self(Identifier::known(text)))
    }

    /// The key of a column under its own name.
    #[must_use]
    pub fn of(name: &Identifier) -> Self {
        Self(name.clone())
    }

    /// The key.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.name()
    }

    pub(in crate::catalog) fn identifier(&self) -> &Identifier {
        &self.0
    }
}

/// A type to cast to, one of those that requests may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cast(&'static str);

impl Cast {
    /// What a request may name, and the type that it means.
    const ALLOWED: &[(&str, &str)] = &[
        ("text", "text"),
        ("varchar", "varchar"),
        ("character varying", "varchar"),
        ("char", "bpchar"),
        ("smallint", "int2"),
        ("int2", "int2"),
        ("int", "int4"),
        ("int4", "int4"),
        ("integer", "int4"),
        ("bigint", "int8"),
        ("int8", "int8"),
        ("numeric", "numeric"),
        ("decimal", "numeric"),
        ("real", "float4"),
        ("float4", "float4"),
        ("double precision", "float8"),
        ("float8", "float8"),
        ("float", "float8"),
        ("boolean", "bool"),
        ("bool", "bool"),
        ("date", "date"),
        ("time", "time"),
        ("timetz", "timetz"),
        ("timestamp", "timestamp"),
        ("timestamptz", "timestamptz"),
        ("interval", "interval"),
        ("uuid", "uuid"),
        ("json", "json"),
        ("jsonb", "jsonb"),
        ("bytea", "bytea"),
        ("text[]", "text[]"),
        ("int[]", "int4[]"),
        ("integer[]", "int4[]"),
        ("bigint[]", "int8[]"),
        ("uuid[]", "uuid[]"),
    ];

    /// The cast that a request calls `name`.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase();
        Self::ALLOWED.iter().find(|(known, _)| *known == name).map(|(_, sql)| Self(sql))
    }

    /// What a request may name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::ALLOWED.iter().map(|(name, _)| *name)
    }

    pub(in crate::catalog) fn sql(self) -> &'static str {
        self.0
    }
}

/// Rows to find, their order, and what to give of each.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Where they come from.
    pub source: Source,
    /// What to give of each.
    pub outputs: Vec<Output>,
    /// Related rows, which outputs, predicates and order refer to by place.
    pub embeds: Vec<Embed>,
    /// All must hold.
    pub predicates: Vec<Predicate>,
    /// In this order.
    pub order: Vec<Order>,
    /// At most these many.
    pub limit: Option<u64>,
    /// After these many.
    pub offset: u64,
}

/// Where rows come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A table or view.
    Relation {
        /// Its schema.
        schema: Identifier,
        /// Its name.
        name: Identifier,
    },
    /// A function of the row that they belong to.
    OfRow {
        /// Its schema.
        schema: Identifier,
        /// Its name.
        name: Identifier,
    },
    /// What the statement's own writing or calling part gives, under the row type of a relation when it has one.
    Given {
        /// Schema and name of the row type, for functions of the row.
        row_type: Option<(Identifier, Identifier)>,
    },
}

/// One column of an answer.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its key.
    pub label: Label,
    /// What stands there.
    pub value: OutputValue,
}

/// What stands in a column of an answer.
#[derive(Clone, Debug)]
pub enum OutputValue {
    /// A value of the row, summed up over rows when there is an aggregate.
    Own {
        /// Which.
        value: Value,
        /// The type to cast it to.
        cast: Option<Cast>,
        /// How to sum it up.
        aggregate: Option<Summary>,
    },
    /// How many rows.
    Count {
        /// The type to cast the number to.
        cast: Option<Cast>,
    },
    /// The JSON of a nested embed.
    Nested {
        /// Which of [`Rows::embeds`].
        embed: usize,
    },
    /// A column of a spread embed.
    Spread {
        /// Which of [`Rows::embeds`].
        embed: usize,
        /// Which of its outputs.
        output: usize,
        /// How to sum it up.
        aggregate: Option<Summary>,
    },
}

/// An aggregate, and the type to cast it to.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// Which.
    pub aggregate: Aggregate,
    /// The type to cast it to.
    pub cast: Option<Cast>,
}

/// A value of a row: a column or a function of the row, or what lies inside it.
#[derive(Clone, Debug)]
pub struct Value {
    /// A column, or a function of the row.
    pub base: Base,
    /// Its type, as SQL.
    pub sql_type: Arc<str>,
    /// Whether it is `json` or `jsonb`.
    pub is_json: bool,
    /// Into JSON.
    pub path: Vec<JsonStep>,
}

/// What a [`Value`] is taken from.
#[derive(Clone, Debug)]
pub enum Base {
    /// A column.
    Column(Identifier),
    /// A function that takes the row.
    Function {
        /// Its schema.
        schema: Identifier,
        /// Its name.
        name: Identifier,
    },
}

/// Related rows.
#[derive(Clone, Debug)]
pub struct Embed {
    /// What to give of them.
    pub rows: Rows,
    /// Which they are.
    pub join: Join,
    /// Whether rows without any go.
    pub is_inner: bool,
    /// Whether one at most.
    pub is_to_one: bool,
    /// At most these many of each row's, where the request does not ask for fewer.
    pub rows_max: u64,
    /// Whether their columns go into the row.
    pub is_spread: bool,
    /// Values of theirs that the row is ordered by; only of those to one.
    pub keys: Vec<Value>,
}

/// Which rows belong to a row.
#[derive(Clone, Debug)]
pub enum Join {
    /// Those with equal columns: the row's and theirs.
    Columns(Vec<(Identifier, Identifier)>),
    /// Those that a junction names.
    Junction {
        /// The junction's schema.
        schema: Identifier,
        /// The junction.
        table: Identifier,
        /// The row's columns and the junction's.
        near: Vec<(Identifier, Identifier)>,
        /// The junction's columns and theirs.
        far: Vec<(Identifier, Identifier)>,
    },
    /// Those that a function of the row gives.
    Function,
}

/// A condition on a row.
#[derive(Clone, Debug)]
pub enum Predicate {
    /// A value compared to an operand.
    Compare {
        /// The value.
        value: Value,
        /// Whether the opposite is asked for.
        is_negated: bool,
        /// How, and to what.
        operator: Operator,
        /// The type of the operand, as SQL.
        operand_type: Arc<str>,
        /// Whether the value is searchable text as it is.
        is_text_vector: bool,
    },
    /// Whether a row has related rows.
    Related {
        /// Which of [`Rows::embeds`].
        embed: usize,
        /// Whether it must have none.
        is_negated: bool,
    },
    /// All hold.
    All {
        /// Whether the opposite is asked for.
        is_negated: bool,
        /// Of these.
        parts: Vec<Predicate>,
    },
    /// One holds.
    Any {
        /// Whether the opposite is asked for.
        is_negated: bool,
        /// Of these.
        parts: Vec<Predicate>,
    },
    /// The row comes after another one in the order of these keys.
    After(Vec<KeyAfter>),
}

/// One key of a keyset: where the last row was.
#[derive(Clone, Debug)]
pub struct KeyAfter {
    /// The key.
    pub value: Value,
    /// Whether the greatest comes first.
    pub is_descending: bool,
    /// Whether NULLs come before all others.
    pub nulls_first: bool,
    /// What the last row had.
    pub last: Option<String>,
}

/// One term of an order.
#[derive(Clone, Debug)]
pub struct Order {
    /// By what.
    pub by: OrderValue,
    /// Whether the greatest comes first.
    pub is_descending: bool,
    /// Where NULLs go, when said.
    pub nulls: Option<NullsPlace>,
}

/// What rows are ordered by.
#[derive(Clone, Debug)]
pub enum OrderValue {
    /// A value of the row.
    Own(Value),
    /// A value of a related row.
    Related {
        /// Which of [`Rows::embeds`].
        embed: usize,
        /// Which of its keys.
        key: usize,
    },
}

impl Rows {
    /// Every row of `source`, nothing of it yet.
    #[must_use]
    pub fn all(source: Source) -> Self {
        Self {
            source,
            outputs: Vec::new(),
            embeds: Vec::new(),
            predicates: Vec::new(),
            order: Vec::new(),
            limit: None,
            offset: 0,
        }
    }

    /// Whether rows are summed up.
    #[must_use]
    pub fn is_grouped(&self) -> bool {
        self.outputs.iter().any(|output| {
            matches!(
                output.value,
                OutputValue::Count { .. }
                    | OutputValue::Own { aggregate: Some(_), .. }
                    | OutputValue::Spread { aggregate: Some(_), .. }
            )
        })
    }

    /// Every relation that rows come from, by schema and name, each once. What a function reads nobody knows: it counts
    /// as a relation without a name.
    #[must_use]
    pub fn relations(&self) -> BTreeSet<(String, String)> {
        let name =
            |schema: &Identifier, name: &Identifier| (schema.name().to_owned(), name.name().to_owned());
        let mut relations = match &self.source {
            Source::Relation { schema, name: table } => BTreeSet::from([name(schema, table)]),
            Source::OfRow { .. } | Source::Given { .. } => BTreeSet::from([(String::new(), String::new())]),
        };
        for embed in &self.embeds {
            relations.extend(embed.rows.relations());
            if let Join::Junction { schema, table, .. } = &embed.join {
                relations.insert(name(schema, table));
            }
        }
        relations
    }

    /// As many rows as all pages together, nothing of them.
    pub(in crate::catalog) fn counted(&self) -> Self {
        let mut counted = self.clone();
        (counted.limit, counted.offset) = (None, 0);
        counted.order.clear();
        // A cursor is a page's business.
        counted.predicates.retain(|predicate| !matches!(predicate, Predicate::After(_)));
        if !counted.is_grouped() {
            counted.outputs.clear();
        }
        counted
    }

    /// Whether anything here needs the embed at `place`.
    pub(in crate::catalog) fn needs(&self, place: usize) -> bool {
        fn tells(predicate: &Predicate, place: usize) -> bool {
            match predicate {
                Predicate::Related { embed, .. } => *embed == place,
                Predicate::All { parts, .. } | Predicate::Any { parts, .. } => {
                    parts.iter().any(|part| tells(part, place))
                }
                Predicate::Compare { .. } | Predicate::After(_) => false,
            }
        }
        self.embeds[place].is_inner
            || self.predicates.iter().any(|predicate| tells(predicate, place))
            || self.outputs.iter().any(|output| match output.value {
                OutputValue::Nested { embed } | OutputValue::Spread { embed, .. } => embed == place,
                OutputValue::Own { .. } | OutputValue::Count { .. } => false,
            })
            || self
                .order
                .iter()
                .any(|order| matches!(order.by, OrderValue::Related { embed, .. } if embed == place))
    }
}

impl Embed {
    /// Whether there may be more than are given without the request's asking for it.
    pub(in crate::catalog) fn may_be_cut(&self) -> bool {
        !self.is_to_one && self.rows.limit.is_none_or(|limit| limit > self.rows_max)
    }

    /// The rows to find: one more than are given tells that there are more.
    pub(in crate::catalog) fn sought(&self) -> Rows {
        let mut rows = self.rows.clone();
        if self.may_be_cut() {
            rows.limit = Some(self.rows_max.saturating_add(1).min(i64::MAX.unsigned_abs()));
        }
        rows
    }

    /// What the answer says when they were cut.
    pub(in crate::catalog) fn cut(&self) -> String {
        let name = match &self.rows.source {
            Source::Relation { name, .. } | Source::OfRow { name, .. } => name.name(),
            Source::Given { .. } => "",
        };
        let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        format!("rows_max={}; embedded={name}", self.rows_max)
    }
}

impl Base {
    /// The column's or function's name.
    #[must_use]
    pub fn name(&self) -> &Identifier {
        match self {
            Self::Column(name) | Self::Function { name, .. } => name,
        }
    }
}

impl Value {
    /// A column as it is.
    #[must_use]
    pub fn column(name: &Identifier, sql_type: &Arc<str>) -> Self {
        Self {
            base: Base::Column(name.clone()),
            sql_type: Arc::clone(sql_type),
            is_json: matches!(&**sql_type, "json" | "jsonb"),
            path: Vec::new(),
        }
    }
}
