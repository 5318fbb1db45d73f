//! A world: tables, their columns as compiled expressions, and the vocabularies they draw from.

use super::compile;
use super::document::Document;
use super::error::GenerationError;
use super::syntax::Operator;

/// A description of believable rows, compiled from a platform's file. See the module's example.
#[derive(Debug)]
pub struct World {
    pub(super) schema: String,
    /// Seconds since 1970.
    pub(super) epoch: i64,
    pub(super) population_min: u64,
    pub(super) symbols: Vec<String>,
    pub(super) vocabularies: Vec<Vocabulary>,
    pub(super) tables: Vec<Table>,
    /// Which of the tables `links` chooses from; their traits are kept in memory.
    pub(super) linked: Vec<bool>,
}

/// A table that a world writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSummary<'w> {
    /// The database schema.
    pub schema: &'w str,
    /// The table's name in that schema.
    pub name: &'w str,
}

impl World {
    /// The world that `text`, a platform's file, describes.
    ///
    /// # Errors
    /// A typed error naming the table and column when the file has another form, or names what is not there.
    pub fn load(text: &str) -> Result<Self, GenerationError> {
        let document: Document =
            toml::from_str(text).map_err(|source| GenerationError::Format { source: Box::new(source) })?;
        compile::compile(document)
    }

    /// The tables that are written, parents before the tables that refer to them.
    pub fn tables(&self) -> impl Iterator<Item = TableSummary<'_>> {
        self.written_tables().map(|table| TableSummary { schema: &self.schema, name: &table.name })
    }

    pub(super) fn written_tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(|table| !table.written.is_empty())
    }

    pub(super) fn table(&self, name: &str) -> Result<&Table, GenerationError> {
        let found = self.tables.iter().find(|table| table.name == name && !table.written.is_empty());
        found.ok_or_else(|| GenerationError::UnknownTable {
            table: name.to_owned(),
            known: self.tables().map(|table| table.name.to_owned()).collect(),
        })
    }
}

/// A list of words or records to choose from.
#[derive(Debug)]
pub(super) struct Vocabulary {
    pub(super) name: String,
    pub(super) items: Vec<Literal>,
    /// Running sums of the items' weights; `None` when all weigh the same.
    pub(super) cumulative: Option<Vec<f64>>,
}

/// A value as the file gives it.
#[derive(Debug)]
pub(super) enum Literal {
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(String),
    Uuid([u8; 16]),
    /// A list of numbers with a decimal point.
    Vector(Vec<f64>),
    List(Vec<Literal>),
    Record(Record),
}

/// An item of a vocabulary with named fields.
#[derive(Debug)]
pub(super) struct Record {
    /// Its place in the vocabulary.
    pub(super) position: i64,
    pub(super) fields: Vec<(Symbol, Literal)>,
}

/// A field name, as an index into the world's symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Symbol(pub(super) usize);

impl Symbol {
    pub(super) const INDEX: Self = Self(0);
    pub(super) const PARENT: Self = Self(1);
    pub(super) const ITEM: Self = Self(2);
    /// Fields that every row has, in the order of the constants above.
    pub(super) const BUILT_IN: [&'static str; 3] = ["index", "parent", "item"];
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    /// This table's place among the tables.
    pub(super) position: usize,
    pub(super) key: u64,
    pub(super) rows: Rows,
    pub(super) when: Option<usize>,
    /// Hidden values and columns.
    pub(super) cells: Vec<Cell>,
    /// The place in `cells` of each symbol that this table has.
    pub(super) cell_of_symbol: Vec<Option<usize>>,
    /// The cells that are written, in the order of their names.
    pub(super) written: Vec<usize>,
    pub(super) fixed: Vec<Fixed>,
}

/// Where a table's rows come from.
#[derive(Debug)]
pub(super) enum Rows {
    Count(Expression),
    Each { parent: usize, items: Expression },
}

#[derive(Debug)]
pub(super) struct Cell {
    pub(super) name: String,
    pub(super) key: u64,
    pub(super) expression: Expression,
}

#[derive(Debug)]
pub(super) struct Fixed {
    pub(super) at: Vec<i64>,
    pub(super) set: Vec<(usize, Expression)>,
}

/// An expression with every name looked up.
#[derive(Debug)]
pub(super) enum Expression {
    Null,
    Literal(Literal),
    Text(String),
    Template(Vec<Expression>),
    List(Vec<Expression>),
    /// A cell of the own row.
    Cell(usize),
    Index,
    Parent,
    Item,
    /// The item at hand inside of `each` or `where`.
    It,
    Epoch,
    Population,
    Vocabulary(usize),
    Field(Box<Expression>, Symbol),
    At(Box<Expression>, Box<Expression>),
    /// A row of a table by the indexes from its oldest ancestor down.
    Row(usize, Vec<Expression>),
    Not(Box<Expression>),
    Negative(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
    If(Box<[Expression; 3]>),
    Each(Box<[Expression; 2]>),
    Where(Box<[Expression; 2]>),
    /// One of these, chosen at random.
    Phrase(Vec<Expression>),
    RowCount(usize),
    Links(Box<Links>),
    Call(Function, Vec<Expression>),
}

/// Distinct rows of `table`, popular in proportion to 1 / (rank + 10), tilted towards similar traits.
#[derive(Debug)]
pub(super) struct Links {
    pub(super) table: usize,
    pub(super) count: Expression,
    pub(super) pull: Expression,
    /// Rows that are always among them.
    pub(super) always: Option<Expression>,
    /// The cell of the own row with its traits.
    pub(super) traits: usize,
}

/// A function of plain values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Uuid,
    Hex,
    Chance,
    Uniform,
    Integer,
    Normal,
    Noise,
    Pick,
    Choose,
    Some,
    Min,
    Max,
    Clamp,
    Round,
    Floor,
    Sigmoid,
    Cosine,
    Top,
    Count,
    Sum,
    Mean,
    First,
    Last,
    Range,
    Contains,
    Overlap,
    Join,
    Mirror,
    Spread,
    Lower,
    Plain,
    Title,
    Date,
    Midnight,
    Time,
    Json,
    Coalesce,
}
