//! Syntax -> expressions: every name is looked up once, so that a typo fails when the world is read.

use std::cell::RefCell;
use std::collections::HashMap;

use chrono::DateTime;
use uuid::Uuid;

use super::document::{Document, FixedDocument, TableDocument};
use super::error::GenerationError;
use super::random::name_key;
use super::syntax::{Syntax, parse, parse_template};
use super::world::{
    Cell, Expression, Fixed, Function, Links, Literal, Record, Rows, Symbol, Table, Vocabulary, World,
};

/// The cell that `links` compares, in the row that asks and in the rows it chooses from.
pub(super) const TRAITS: &str = "traits";
/// The cell that says whether a row exists.
const WHEN: &str = "when";

/// Name, function, fewest and most arguments.
const FUNCTIONS: [(&str, Function, usize, usize); 37] = [
    ("uuid", Function::Uuid, 0, 0),
    ("hex", Function::Hex, 1, 1),
    ("chance", Function::Chance, 1, 1),
    ("uniform", Function::Uniform, 2, 2),
    ("integer", Function::Integer, 2, 2),
    ("normal", Function::Normal, 2, 2),
    ("noise", Function::Noise, 2, 2),
    ("pick", Function::Pick, 1, 1),
    ("choose", Function::Choose, 2, usize::MAX),
    ("some", Function::Some, 2, 2),
    ("min", Function::Min, 1, usize::MAX),
    ("max", Function::Max, 1, usize::MAX),
    ("clamp", Function::Clamp, 3, 3),
    ("round", Function::Round, 2, 2),
    ("floor", Function::Floor, 1, 1),
    ("sigmoid", Function::Sigmoid, 1, 1),
    ("cosine", Function::Cosine, 2, 2),
    ("top", Function::Top, 2, 2),
    ("count", Function::Count, 1, 1),
    ("sum", Function::Sum, 1, 1),
    ("mean", Function::Mean, 1, 1),
    ("first", Function::First, 1, 1),
    ("last", Function::Last, 1, 1),
    ("range", Function::Range, 1, 1),
    ("contains", Function::Contains, 2, 2),
    ("overlap", Function::Overlap, 2, 2),
    ("join", Function::Join, 2, 2),
    ("mirror", Function::Mirror, 3, 3),
    ("spread", Function::Spread, 2, 2),
    ("lower", Function::Lower, 1, 1),
    ("plain", Function::Plain, 1, 1),
    ("title", Function::Title, 1, 1),
    ("date", Function::Date, 1, 1),
    ("midnight", Function::Midnight, 1, 1),
    ("time", Function::Time, 1, 1),
    ("json", Function::Json, 0, usize::MAX),
    ("coalesce", Function::Coalesce, 1, usize::MAX),
];

pub(super) fn compile(document: Document) -> Result<World, GenerationError> {
    check_identifier(&document.schema)?;
    let epoch = DateTime::parse_from_rfc3339(&document.epoch).ok().filter(|_| document.epoch.ends_with('Z'));
    let epoch =
        epoch.ok_or_else(|| GenerationError::InvalidEpoch { found: document.epoch.clone() })?.timestamp();
    let mut names = Names::default();
    for name in Symbol::BUILT_IN.into_iter().chain([WHEN]) {
        names.intern(name);
    }
    let vocabularies: Vec<Vocabulary> =
        document.words.into_iter().map(|(name, items)| vocabulary(name, items, &mut names)).collect();
    for (position, vocabulary) in vocabularies.iter().enumerate() {
        names.vocabularies.insert(vocabulary.name.clone(), position);
    }
    for (position, table) in document.table.iter().enumerate() {
        check_identifier(&table.name)?;
        names.tables.insert(table.name.clone(), position);
        for cell in table.hidden.keys().chain(table.columns.keys()) {
            names.intern(cell);
        }
    }
    let outlines: Vec<HashMap<String, usize>> = document.table.iter().map(outline).collect();
    let linked = RefCell::new(vec![false; outlines.len()]);
    let context =
        Context { names: &names, vocabularies: &vocabularies, outlines: &outlines, linked: &linked };
    let tables: Result<Vec<Table>, _> =
        document.table.iter().enumerate().map(|(position, table)| context.table(position, table)).collect();
    let tables = tables?;
    Ok(World {
        schema: document.schema,
        epoch,
        population_min: document.population_min,
        tables,
        linked: linked.into_inner(),
        symbols: names.symbols,
        vocabularies,
    })
}

/// A name that needs no quoting anywhere, so that files and statements can be named after it.
fn check_identifier(name: &str) -> Result<(), GenerationError> {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    if name.starts_with(|first: char| first.is_ascii_lowercase()) && name.chars().all(plain) {
        return Ok(());
    }
    Err(GenerationError::InvalidIdentifier { name: name.to_owned() })
}

#[derive(Default)]
struct Names {
    symbols: Vec<String>,
    symbol_of_name: HashMap<String, Symbol>,
    vocabularies: HashMap<String, usize>,
    tables: HashMap<String, usize>,
}

impl Names {
    fn intern(&mut self, name: &str) -> Symbol {
        if let Some(symbol) = self.symbol_of_name.get(name) {
            return *symbol;
        }
        let symbol = Symbol(self.symbols.len());
        self.symbols.push(name.to_owned());
        self.symbol_of_name.insert(name.to_owned(), symbol);
        symbol
    }
}

/// The place of each cell of a table: hidden values, `when`, columns.
fn outline(table: &TableDocument) -> HashMap<String, usize> {
    let when = table.when.iter().map(|_| WHEN);
    let names = table.hidden.keys().chain(table.columns.keys()).map(String::as_str).chain(when);
    names.enumerate().map(|(position, name)| (name.to_owned(), position)).collect()
}

fn vocabulary(name: String, items: Vec<toml::Value>, names: &mut Names) -> Vocabulary {
    let weight_of = |item: &toml::Value| item.get("weight").and_then(as_number);
    let weighted = items.iter().any(|item| weight_of(item).is_some());
    let mut total = 0.0;
    let running = |item: &toml::Value| {
        total += weight_of(item).unwrap_or(1.0);
        total
    };
    let cumulative = weighted.then(|| items.iter().map(running).collect());
    let items = (0_i64..).zip(items).map(|(position, item)| literal(item, position, names)).collect();
    Vocabulary { name, items, cumulative }
}

fn as_number(value: &toml::Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|integer| integer as f64))
}

fn literal(value: toml::Value, position: i64, names: &mut Names) -> Literal {
    match value {
        toml::Value::Boolean(value) => Literal::Bool(value),
        toml::Value::Integer(value) => Literal::Integer(value),
        toml::Value::Float(value) => Literal::Number(value),
        toml::Value::String(value) => match Uuid::try_parse(&value) {
            Ok(uuid) if value.len() == 36 => Literal::Uuid(uuid.into_bytes()),
            _ => Literal::Text(value),
        },
        toml::Value::Datetime(value) => Literal::Text(value.to_string()),
        toml::Value::Array(items) if !items.is_empty() && items.iter().all(toml::Value::is_float) => {
            Literal::Vector(items.iter().filter_map(toml::Value::as_float).collect())
        }
        toml::Value::Array(items) => Literal::List(
            (0_i64..).zip(items).map(|(position, item)| literal(item, position, names)).collect(),
        ),
        toml::Value::Table(fields) => {
            let field =
                |(name, value): (String, toml::Value)| (names.intern(&name), literal(value, 0, names));
            Literal::Record(Record { position, fields: fields.into_iter().map(field).collect() })
        }
    }
}

struct Context<'n> {
    names: &'n Names,
    vocabularies: &'n [Vocabulary],
    outlines: &'n [HashMap<String, usize>],
    /// The tables that `links` chooses from, marked as they are met.
    linked: &'n RefCell<Vec<bool>>,
}

impl Context<'_> {
    fn table(&self, position: usize, document: &TableDocument) -> Result<Table, GenerationError> {
        let scope = Scope { context: self, table: Some(position) };
        let invalid = |expected| GenerationError::InvalidTable { table: document.name.clone(), expected };
        let place = |cell: &str| format!("{}.{cell}", document.name);
        let rows = match (&document.count, &document.of, &document.each) {
            (Some(count), None, None) => {
                // The number of rows is asked for before there is any row.
                Rows::Count(Scope { context: self, table: None }.expression(&place("count"), count)?)
            }
            (None, Some(of), Some(each)) => {
                let parent = self.names.tables.get(of).copied().filter(|parent| *parent < position);
                let parent = parent.ok_or_else(|| invalid("a parent that is listed before it"))?;
                let scope = Scope { context: self, table: Some(parent) };
                Rows::Each { parent, items: scope.expression(&place("each"), each)? }
            }
            _ => return Err(invalid("either `count`, or `of` and `each`")),
        };
        let when = document.when.as_ref().map(|text| (WHEN, text));
        let named = |(name, text)| (String::as_str(name), text);
        let sources = document.hidden.iter().map(named).chain(document.columns.iter().map(named)).chain(when);
        let cell = |(name, text): (&str, &String)| {
            let expression = scope.expression(&place(name), text)?;
            Ok(Cell { name: name.to_owned(), key: name_key(name), expression })
        };
        let cells = sources.map(cell).collect::<Result<Vec<Cell>, GenerationError>>()?;
        document.columns.keys().try_for_each(|name| check_identifier(name))?;
        let outline = &self.outlines[position];
        if outline.len() < cells.len() {
            return Err(invalid("names that are either columns or hidden values, not both"));
        }
        if Symbol::BUILT_IN.iter().any(|name| outline.contains_key(*name)) {
            return Err(invalid("cells with names other than index, parent and item"));
        }
        let cell_of_symbol = self.names.symbols.iter().map(|name| outline.get(name).copied()).collect();
        let fixed = document.fixed.iter().map(|fixed| self.fixed(position, document, fixed));
        Ok(Table {
            name: document.name.clone(),
            position,
            key: name_key(&document.name),
            rows,
            when: outline.get(WHEN).copied(),
            cell_of_symbol,
            written: (document.hidden.len()..document.hidden.len() + document.columns.len()).collect(),
            fixed: fixed.collect::<Result<_, _>>()?,
            cells,
        })
    }

    fn fixed(
        &self,
        position: usize,
        document: &TableDocument,
        fixed: &FixedDocument,
    ) -> Result<Fixed, GenerationError> {
        let scope = Scope { context: self, table: Some(position) };
        let cell = |(name, value): (&String, &toml::Value)| {
            let place = format!("{}.{name} at {:?}", document.name, fixed.at);
            let unknown = || GenerationError::UnknownName { place: place.clone(), name: name.clone() };
            let cell = self.outlines[position].get(name).copied().ok_or_else(unknown)?;
            let formula = value.as_str().and_then(|text| text.strip_prefix('='));
            let expression = match formula {
                Some(text) => scope.expression(&place, text)?,
                // Fields of a fixed record could only be reached by names known before: none are interned here.
                None => Expression::Literal(literal(value.clone(), 0, &mut Names::default())),
            };
            Ok((cell, expression))
        };
        let set = fixed.set.iter().map(cell).collect::<Result<Vec<_>, GenerationError>>()?;
        Ok(Fixed { at: fixed.at.clone(), set })
    }
}

#[derive(Clone, Copy)]
struct Scope<'n> {
    context: &'n Context<'n>,
    /// The table whose row the expression is computed in; `None` before there are rows.
    table: Option<usize>,
}

impl Scope<'_> {
    fn expression(&self, place: &str, text: &str) -> Result<Expression, GenerationError> {
        self.resolve(place, parse(place, text)?)
    }

    fn resolve(&self, place: &str, syntax: Syntax) -> Result<Expression, GenerationError> {
        let boxed = |inner: Box<Syntax>| Ok::<_, GenerationError>(Box::new(self.resolve(place, *inner)?));
        Ok(match syntax {
            Syntax::Integer(value) => Expression::Literal(Literal::Integer(value)),
            Syntax::Number(value) => Expression::Literal(Literal::Number(value)),
            Syntax::Text(text) => Expression::Text(text),
            Syntax::Template(mut parts) => match (parts.len(), parts.pop()) {
                (_, None) => Expression::Text(String::new()),
                (1, Some(Syntax::Text(text))) => Expression::Text(text),
                (_, Some(last)) => {
                    parts.push(last);
                    Expression::Template(self.all(place, parts)?)
                }
            },
            Syntax::List(items) => Expression::List(self.all(place, items)?),
            Syntax::Name(name) => self.name(place, &name)?,
            Syntax::Field(of, name) => {
                let symbol = self.context.names.symbol_of_name.get(&name).copied();
                let symbol = symbol.ok_or_else(|| unknown(place, &name))?;
                Expression::Field(boxed(of)?, symbol)
            }
            Syntax::At(of, mut indexes) => match (*of, self.context) {
                (Syntax::Name(name), context) if context.names.tables.contains_key(&name) => {
                    Expression::Row(context.names.tables[&name], self.all(place, indexes)?)
                }
                (of, _) => {
                    let index = indexes.pop().filter(|_| indexes.is_empty());
                    let index = index.ok_or_else(|| unknown(place, "list[index]"))?;
                    Expression::At(boxed(Box::new(of))?, boxed(Box::new(index))?)
                }
            },
            Syntax::Not(inner) => Expression::Not(boxed(inner)?),
            Syntax::Negative(inner) => Expression::Negative(boxed(inner)?),
            Syntax::Binary(operator, left, right) => {
                Expression::Binary(operator, boxed(left)?, boxed(right)?)
            }
            Syntax::Call(name, arguments) => self.call(place, &name, arguments)?,
        })
    }

    fn all(&self, place: &str, items: Vec<Syntax>) -> Result<Vec<Expression>, GenerationError> {
        items.into_iter().map(|item| self.resolve(place, item)).collect()
    }

    fn cell(&self, name: &str) -> Option<usize> {
        self.context.outlines.get(self.table?)?.get(name).copied()
    }

    fn name(&self, place: &str, name: &str) -> Result<Expression, GenerationError> {
        if let Some(cell) = self.cell(name) {
            return Ok(Expression::Cell(cell));
        }
        let in_row = self.table.is_some();
        Ok(match name {
            "index" if in_row => Expression::Index,
            "parent" if in_row => Expression::Parent,
            "item" if in_row => Expression::Item,
            "it" => Expression::It,
            "epoch" => Expression::Epoch,
            "day" => Expression::Literal(Literal::Integer(86_400)),
            "population" => Expression::Population,
            "null" => Expression::Null,
            "true" => Expression::Literal(Literal::Bool(true)),
            "false" => Expression::Literal(Literal::Bool(false)),
            _ => Expression::Vocabulary(self.vocabulary(place, name)?),
        })
    }

    fn vocabulary(&self, place: &str, name: &str) -> Result<usize, GenerationError> {
        self.context.names.vocabularies.get(name).copied().ok_or_else(|| unknown(place, name))
    }

    fn call(&self, place: &str, name: &str, arguments: Vec<Syntax>) -> Result<Expression, GenerationError> {
        let got = arguments.len();
        let wrong = |expected| GenerationError::WrongArgumentCount {
            place: place.to_owned(),
            function: name.to_owned(),
            expected,
            got,
        };
        match name {
            "if" => {
                Ok(Expression::If(Box::new(exactly(self.all(place, arguments)?).ok_or_else(|| wrong("3"))?)))
            }
            "each" => Ok(Expression::Each(Box::new(
                exactly(self.all(place, arguments)?).ok_or_else(|| wrong("2"))?,
            ))),
            "where" => Ok(Expression::Where(Box::new(
                exactly(self.all(place, arguments)?).ok_or_else(|| wrong("2"))?,
            ))),
            "phrase" => self.phrase(place, arguments).ok_or_else(|| wrong("1: the name of a vocabulary"))?,
            "rows" => self.row_count(place, arguments).ok_or_else(|| wrong("1: the name of a table"))?,
            "links" => self.links(place, arguments, wrong),
            _ => {
                let known = FUNCTIONS.iter().find(|(known, ..)| *known == name);
                let (_, function, fewest, most) =
                    known.ok_or_else(|| unknown(place, &format!("{name}()")))?;
                if got < *fewest || got > *most {
                    return Err(wrong("another number of"));
                }
                Ok(Expression::Call(*function, self.all(place, arguments)?))
            }
        }
    }

    fn phrase(&self, place: &str, mut arguments: Vec<Syntax>) -> Option<Result<Expression, GenerationError>> {
        let Some(Syntax::Name(name)) = arguments.pop().filter(|_| arguments.is_empty()) else { return None };
        let templates = |vocabulary: usize| {
            let texts = self.context.vocabularies[vocabulary].items.iter().filter_map(|item| match item {
                Literal::Text(text) => Some(text),
                _ => None,
            });
            let place = format!("{place} ({name})");
            texts.map(|text| self.resolve(&place, parse_template(&place, text)?)).collect()
        };
        Some(self.vocabulary(place, &name).and_then(templates).map(Expression::Phrase))
    }

    fn table_named(&self, place: &str, syntax: Option<Syntax>) -> Option<Result<usize, GenerationError>> {
        let Some(Syntax::Name(name)) = syntax else { return None };
        Some(self.context.names.tables.get(&name).copied().ok_or_else(|| unknown(place, &name)))
    }

    fn row_count(
        &self,
        place: &str,
        mut arguments: Vec<Syntax>,
    ) -> Option<Result<Expression, GenerationError>> {
        let table = arguments.pop().filter(|_| arguments.is_empty());
        Some(self.table_named(place, table)?.map(Expression::RowCount))
    }

    fn links(
        &self,
        place: &str,
        arguments: Vec<Syntax>,
        wrong: impl Fn(&'static str) -> GenerationError,
    ) -> Result<Expression, GenerationError> {
        let expected = "3 or 4: the name of a table, count, pull, always";
        let mut arguments = arguments.into_iter();
        let table = self.table_named(place, arguments.next()).ok_or_else(|| wrong(expected))??;
        let mut rest = self.all(place, arguments.collect())?.into_iter();
        let (Some(count), Some(pull), always, None) = (rest.next(), rest.next(), rest.next(), rest.next())
        else {
            return Err(wrong(expected));
        };
        let traits = self.cell(TRAITS).ok_or_else(|| unknown(place, TRAITS))?;
        self.context.linked.borrow_mut()[table] = true;
        Ok(Expression::Links(Box::new(Links { table, count, pull, always, traits })))
    }
}

fn exactly<const COUNT: usize>(items: Vec<Expression>) -> Option<[Expression; COUNT]> {
    items.try_into().ok()
}

fn unknown(place: &str, name: &str) -> GenerationError {
    GenerationError::UnknownName { place: place.to_owned(), name: name.to_owned() }
}
