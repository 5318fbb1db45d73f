/// The query string of a read, a write or a call.
///
/// Parts about embedded relations lie inside the [`Embedding`] that they belong to, so that a tree of queries results.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Query {
    /// `select`; `*` when there is none, empty for no column, as in `relation()`.
    pub select: Vec<SelectItem>,
    /// Filters and `and`/`or` trees, all of which must hold.
    pub conditions: Vec<Condition>,
    /// `order`.
    pub order: Vec<OrderTerm>,
    /// `limit` and `offset`.
    pub window: Window,
    /// `columns`: the keys of the body that count.
    pub columns: Option<Vec<String>>,
    /// `on_conflict`: the columns of the unique key to go by.
    pub on_conflict: Option<Vec<String>>,
    /// `after`: the signed keyset cursor, as it came.
    pub after: Option<String>,
    /// What is neither of these nor a filter: arguments of a function called by GET, in the order they came.
    pub arguments: Vec<(String, String)>,
}

/// Rows to skip and to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Window {
    /// At most these many rows; `None`: as many as the server gives.
    pub limit: Option<u64>,
    /// After these many.
    pub offset: u64,
}

/// One item of `select`.
#[derive(Clone, Debug, PartialEq)]
pub enum SelectItem {
    /// `*`
    Star,
    /// `alias:name->json::cast.aggregate()::cast`
    Field {
        /// The key in the answer, when not the name.
        alias: Option<String>,
        /// What to take; `None` for a bare `count()`.
        field: Option<Field>,
        /// `::type`
        cast: Option<String>,
        /// `.sum()` and the like, or `count()`.
        aggregate: Option<Aggregate>,
        /// The type to cast the aggregate to.
        aggregate_cast: Option<String>,
    },
    /// `alias:relation!hint!inner(...)` or `...relation(...)`
    Embed(Embedding),
}

/// A related row or rows, inside the row.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// The table, foreign key column, constraint or function that names the relation.
    pub relation: String,
    /// The key in the answer, when not the relation.
    pub alias: Option<String>,
    /// What comes after `!`: a constraint, column or junction.
    pub hint: Option<String>,
    /// `!inner`, `!left` or neither.
    pub join: Option<EmbedJoin>,
    /// An object or array of its own, or spread into the row.
    pub kind: EmbedKind,
    /// What to select of it, filter, order and limit in it.
    pub query: Query,
}

/// Whether rows without a related row stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbedJoin {
    /// They go.
    Inner,
    /// They stay.
    Left,
}

/// Where the embedded columns go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbedKind {
    /// Under a key of their own.
    Nested,
    /// Into the row: `...relation(...)`.
    Spread,
}

/// A column, or what lies inside a JSON column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The column, or a function that takes the row.
    pub name: String,
    /// `->a->0->>b`
    pub path: Vec<JsonStep>,
}

/// A step into JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonStep {
    /// The key, or the place in an array.
    pub key: String,
    /// Whether `key` is a place: whole number, perhaps negative.
    pub is_index: bool,
    /// Whether the step ends as text: `->>`.
    pub as_text: bool,
}

/// An aggregate function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// `count()`
    Count,
    /// `sum()`
    Sum,
    /// `avg()`
    Avg,
    /// `min()`
    Min,
    /// `max()`
    Max,
}

/// A tree of conditions.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// One filter.
    Filter(Filter),
    /// All hold; negated when `is_negated`.
    And {
        /// Whether the opposite is asked for.
        is_negated: bool,
        /// At least one.
        parts: Vec<Condition>,
    },
    /// One holds; negated when `is_negated`.
    Or {
        /// Whether the opposite is asked for.
        is_negated: bool,
        /// At least one.
        parts: Vec<Condition>,
    },
}

/// `field=not.operator(any).value`
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// What is compared: a column, or the name of an embedding for `is.null` and `not.is.null`.
    pub field: Field,
    /// Whether the opposite is asked for.
    pub is_negated: bool,
    /// How it is compared, and to what.
    pub operator: Operator,
}

/// An operator with its operand, as it was written.
#[derive(Clone, Debug, PartialEq)]
pub enum Operator {
    /// `eq`, `gt`, `gte`, `lt`, `lte`, `like`, `ilike`, `match`, `imatch` (with `any` or `all`), `neq`, `isdistinct`,
    /// `cs`, `cd`, `ov`, `sl`, `sr`, `nxr`, `nxl`, `adj`.
    Binary {
        /// PostgREST's name of it.
        name: &'static str,
        /// `(any)` or `(all)`: the operand is an array literal.
        quantifier: Option<Quantifier>,
        /// The operand; `*` of `like` still there.
        operand: String,
    },
    /// `in.(a,b)`
    In(Vec<String>),
    /// `is.null`, `is.not_null`, `is.true`, `is.false`, `is.unknown`: the SQL after IS.
    Is(&'static str),
    /// Full text search.
    Fts {
        /// Which of PostgreSQL's functions reads the operand.
        query: TsQuery,
        /// The configuration, such as `english`.
        language: Option<String>,
        /// The operand.
        operand: String,
    },
}

/// `any` or `all` operands must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    /// One.
    Any,
    /// Every one.
    All,
}

/// Which function reads the operand of a full text search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TsQuery {
    /// `fts`: `to_tsquery`
    Plain,
    /// `plfts`: `plainto_tsquery`
    PlainText,
    /// `phfts`: `phraseto_tsquery`
    Phrase,
    /// `wfts`: `websearch_to_tsquery`
    Web,
}

/// One term of `order`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderTerm {
    /// By what.
    pub by: OrderField,
    /// Whether the greatest comes first.
    pub is_descending: bool,
    /// Where NULLs go, when said.
    pub nulls: Option<NullsPlace>,
}

/// What rows are ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderField {
    /// A column of the relation.
    Own(Field),
    /// A column of an embedded to-one relation: `order=relation(column)`.
    Embedded {
        /// The embedding's name or alias.
        relation: String,
        /// Its column.
        field: Field,
    },
}

/// Where NULLs go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullsPlace {
    /// Before all others.
    First,
    /// After all others.
    Last,
}

/// The header `Prefer`. A preference that is not understood is kept in `unknown`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Preferences {
    /// `return`
    pub returns: Option<ReturnKind>,
    /// `resolution`
    pub resolution: Option<Resolution>,
    /// `count`
    pub count: Option<CountKind>,
    /// `missing`
    pub missing: Option<MissingFields>,
    /// `handling=strict` is true, `handling=lenient` false.
    pub is_strict: Option<bool>,
    /// `timezone`
    pub timezone: Option<String>,
    /// `max-affected`
    pub affected_max: Option<u64>,
    /// `tx`
    pub transaction: Option<TransactionEnd>,
    /// Whether the outcome of each row of a bulk insert is asked for: `outcome=per-row`.
    pub outcome_per_row: bool,
    /// What none of these is, as it was written.
    pub unknown: Vec<String>,
}

/// What a write answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnKind {
    /// Nothing.
    Minimal,
    /// Where the row is.
    HeadersOnly,
    /// The rows.
    Representation,
}

/// How a plan is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanForm {
    /// For programs.
    Json,
    /// For people.
    Text,
}

/// What an insert does with rows that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Changes them.
    MergeDuplicates,
    /// Leaves them.
    IgnoreDuplicates,
}

/// How rows are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountKind {
    /// One by one.
    Exact,
    /// As the planner thinks.
    Planned,
    /// Exact up to the server's row maximum, else planned.
    Estimated,
}

/// What a key that the body lacks becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingFields {
    /// The column's default.
    Default,
    /// NULL.
    Null,
}

/// How the transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionEnd {
    /// `tx=commit`
    Commit,
    /// `tx=rollback`
    Rollback,
}

/// The form of an answer, from `Accept`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// An array of rows.
    Json {
        /// Whether NULLs are left out.
        strips_nulls: bool,
    },
    /// Exactly one row, as an object.
    Object {
        /// Whether NULLs are left out.
        strips_nulls: bool,
    },
    /// Lines with commas.
    Csv,
    /// A GeoJSON collection.
    GeoJson,
    /// The plan of the query.
    Plan {
        /// How it is written.
        form: PlanForm,
        /// `analyze`, `verbose`, `settings`, `buffers`, `wal`: those asked for.
        options: Vec<&'static str>,
    },
    /// A scalar as it is: `text/plain`, `text/xml` or `application/octet-stream`.
    Raw(&'static str),
}
