//! Expression -> value, in the row it belongs to.

use std::cmp::Ordering;
use std::rc::Rc;

use super::error::{Failure, GenerationError, Problem};
use super::functions;
use super::random::SplitMix64;
use super::row::{Row, Run};
use super::syntax::Operator;
use super::value::{Value, floor};
use super::world::{Expression, Links, Symbol};

/// Popularity of the row with rank `r` (from 1) is in proportion to `1 / (r + RANK_SHIFT)`.
const RANK_SHIFT: f64 = 10.0;

/// The computation of one cell (or of a count, outside of any row).
pub(super) struct Evaluation<'e, 'r> {
    pub(super) run: &'r Run<'r>,
    row: Option<&'e Rc<Row<'r>>>,
    it: Option<Value<'r>>,
    pub(super) stream: SplitMix64,
    table: &'e str,
    column: &'e str,
}

type Evaluated<'r> = Result<Value<'r>, Failure>;

impl<'e, 'r> Evaluation<'e, 'r> {
    pub(super) fn outside(run: &'r Run<'r>, table: &'e str, column: &'e str) -> Self {
        Self { run, row: None, it: None, stream: SplitMix64::new(run.seed), table, column }
    }

    pub(super) fn inside(row: &'e Rc<Row<'r>>, table: &'e str, column: &'e str, stream: SplitMix64) -> Self {
        Self { run: row.run, row: Some(row), it: None, stream, table, column }
    }

    pub(super) fn failure(&self, problem: Problem) -> Failure {
        Box::new(GenerationError::Evaluate {
            table: self.table.to_owned(),
            column: self.column.to_owned(),
            problem,
        })
    }

    fn checked<T>(&self, result: Result<T, Problem>) -> Result<T, Failure> {
        result.map_err(|problem| self.failure(problem))
    }

    fn own_row(&self) -> Result<&'e Rc<Row<'r>>, Failure> {
        let outside = || Problem::WrongType { operation: "a cell", expected: "a row", found: "null" };
        self.row.ok_or_else(|| self.failure(outside()))
    }

    pub(super) fn value(&mut self, expression: &'r Expression) -> Evaluated<'r> {
        Ok(match expression {
            Expression::Null => Value::Null,
            Expression::Literal(literal) => Value::of(literal),
            Expression::Text(text) => Value::Word(text),
            Expression::Template(parts) => {
                let mut text = String::new();
                for part in parts {
                    let value = self.value(part)?;
                    self.checked(value.write_plain(&mut text))?;
                }
                Value::text(text)
            }
            Expression::List(items) => Value::list(self.values(items)?),
            Expression::Cell(cell) => self.own_row()?.cell(*cell)?,
            Expression::Index => Value::Integer(self.own_row()?.index),
            Expression::Parent => self.own_row()?.field(Symbol::PARENT)?,
            Expression::Item => self.own_row()?.item()?,
            Expression::It => self.it.clone().unwrap_or(Value::Null),
            Expression::Epoch => Value::Time(self.run.world.epoch),
            Expression::Population => Value::Integer(self.run.population),
            Expression::Vocabulary(vocabulary) => {
                Value::Vocabulary(&self.run.world.vocabularies[*vocabulary])
            }
            Expression::Field(of, symbol) => self.field(of, *symbol)?,
            Expression::At(of, index) => {
                let (list, index) = (self.value(of)?, self.value(index)?);
                self.checked(functions::at(&list, &index))?
            }
            Expression::Row(table, indexes) => self.row_at(*table, indexes)?,
            Expression::Not(inner) => {
                let value = self.value(inner)?;
                Value::Bool(!self.checked(value.truth("not"))?)
            }
            Expression::Negative(inner) => {
                let value = self.value(inner)?;
                self.checked(arithmetic(Operator::Multiply, &value, &Value::Integer(-1)))?
            }
            Expression::Binary(operator, left, right) => self.binary(*operator, left, right)?,
            Expression::If(branches) => {
                let [condition, then, otherwise] = &**branches;
                let value = self.value(condition)?;
                self.value(if self.checked(value.truth("if"))? { then } else { otherwise })?
            }
            Expression::Each(parts) => {
                let [list, body] = &**parts;
                self.each(list, body)?
            }
            Expression::Where(parts) => {
                let [list, condition] = &**parts;
                self.select(list, condition)?
            }
            Expression::Phrase(phrases) => {
                let position = self.stream.below(phrases.len() as u64);
                let phrase = phrases.get(usize::try_from(position).unwrap_or(0));
                phrase.map_or(Ok(Value::Null), |phrase| self.value(phrase))?
            }
            Expression::RowCount(table) => Value::Integer(self.run.counts[*table]),
            Expression::Links(links) => self.links(links)?,
            Expression::Call(function, arguments) => {
                let arguments = self.values(arguments)?;
                let result = functions::call(*function, &arguments, self);
                self.checked(result)?
            }
        })
    }

    fn values(&mut self, expressions: &'r [Expression]) -> Result<Vec<Value<'r>>, Failure> {
        expressions.iter().map(|expression| self.value(expression)).collect()
    }

    fn field(&mut self, of: &'r Expression, symbol: Symbol) -> Evaluated<'r> {
        match self.value(of)? {
            Value::Null => Ok(Value::Null),
            Value::Row(row) => row.field(symbol),
            Value::Record(record) if symbol == Symbol::INDEX => Ok(Value::Integer(record.position)),
            Value::Record(record) => {
                let found = record.fields.iter().find(|(field, _)| *field == symbol);
                let field = || self.run.world.symbols[symbol.0].clone();
                let unknown = || Problem::UnknownField { field: field(), on: "this record".to_owned() };
                found.map(|(_, literal)| Value::of(literal)).ok_or_else(|| self.failure(unknown()))
            }
            other => {
                let found = other.type_name();
                Err(self.failure(Problem::WrongType {
                    operation: "a field",
                    expected: "a row or record",
                    found,
                }))
            }
        }
    }

    fn row_at(&mut self, table: usize, indexes: &'r [Expression]) -> Evaluated<'r> {
        let mut path = Vec::with_capacity(indexes.len());
        for index in indexes {
            let index = self.value(index)?;
            path.push(self.checked(index.integer("a row reference"))?);
        }
        let row = self.run.row(&self.run.world.tables[table], &path);
        Ok(Value::Row(self.checked(row)?))
    }

    fn each(&mut self, list: &'r Expression, body: &'r Expression) -> Evaluated<'r> {
        let list = self.value(list)?;
        let items = self.checked(list.items("each"))?;
        let outer = self.it.take();
        let mut results = Vec::with_capacity(items.len());
        for item in items.iter() {
            self.it = Some(item.clone());
            results.push(self.value(body)?);
        }
        self.it = outer;
        Ok(Value::list(results))
    }

    fn select(&mut self, list: &'r Expression, condition: &'r Expression) -> Evaluated<'r> {
        let list = self.value(list)?;
        let items = self.checked(list.items("where"))?;
        let outer = self.it.take();
        let mut selected = Vec::new();
        for item in items.iter() {
            self.it = Some(item.clone());
            let holds = self.value(condition)?;
            if self.checked(holds.truth("where"))? {
                selected.push(item.clone());
            }
        }
        self.it = outer;
        Ok(Value::list(selected))
    }

    fn binary(&mut self, operator: Operator, left: &'r Expression, right: &'r Expression) -> Evaluated<'r> {
        let left = self.value(left)?;
        if matches!(operator, Operator::And | Operator::Or) {
            // The right side is not computed when the left one decides.
            let decided = self.checked(left.truth("and, or"))?;
            if decided == (operator == Operator::Or) {
                return Ok(Value::Bool(decided));
            }
            let right = self.value(right)?;
            return Ok(Value::Bool(self.checked(right.truth("and, or"))?));
        }
        let right = self.value(right)?;
        let is = |expected: &[Ordering]| left.compare(&right).is_some_and(|order| expected.contains(&order));
        Ok(match operator {
            Operator::Equal => Value::Bool(left.equals(&right)),
            Operator::NotEqual => Value::Bool(!left.equals(&right)),
            Operator::Less => Value::Bool(is(&[Ordering::Less])),
            Operator::LessEqual => Value::Bool(is(&[Ordering::Less, Ordering::Equal])),
            Operator::Greater => Value::Bool(is(&[Ordering::Greater])),
            Operator::GreaterEqual => Value::Bool(is(&[Ordering::Greater, Ordering::Equal])),
            _ => self.checked(arithmetic(operator, &left, &right))?,
        })
    }

    /// Distinct row indexes of the linked table: popular ones in proportion to 1 / (rank + 10), each kept
    /// with the probability `sigmoid(pull * cosine of the traits)`.
    fn links(&mut self, links: &'r Links) -> Evaluated<'r> {
        let (count, pull) = (self.value(&links.count)?, self.value(&links.pull)?);
        let (count, pull) = (self.checked(count.integer("links"))?, self.checked(pull.number("links"))?);
        let available = self.run.counts[links.table];
        let wanted = usize::try_from(count.clamp(0, available)).unwrap_or(0);
        let always =
            links.always.as_ref().map_or(Ok(Value::list(Vec::new())), |always| self.value(always))?;
        let mut chosen = Vec::with_capacity(wanted);
        for index in self.checked(always.items("links"))?.iter() {
            chosen.push(self.checked(index.integer("links"))?);
        }
        let own = self.own_row()?.cell(links.traits)?;
        let own = self.checked(own.vector("links"))?;
        let traits = self.run.traits[links.table].chunks_exact(own.len().max(1));
        let ratio = libm::log((available as f64 + RANK_SHIFT + 0.5) / (RANK_SHIFT + 0.5));
        // Tastes may be too narrow for the number asked for: after this many draws it has to do.
        for _ in 0..wanted * 40 {
            if chosen.len() >= wanted {
                break;
            }
            // Inverse of the distribution function: `x + 0.5` is the rank, from 0.5 to `available + 0.5`.
            let drawn = (RANK_SHIFT + 0.5) * libm::exp(self.stream.unit() * ratio) - RANK_SHIFT - 0.5;
            let index = floor(drawn).clamp(0, available - 1);
            let theirs =
                usize::try_from(index).ok().and_then(|index| traits.clone().nth(index)).unwrap_or(own);
            let liking = functions::sigmoid(pull * functions::cosine(own, theirs));
            if self.stream.unit() < liking && !chosen.contains(&index) {
                chosen.push(index);
            }
        }
        Ok(Value::list(chosen.into_iter().map(Value::Integer).collect()))
    }
}

fn arithmetic<'r>(operator: Operator, left: &Value<'r>, right: &Value<'r>) -> Result<Value<'r>, Problem> {
    let wrong = |value: &Value<'_>| Problem::WrongType {
        operation: "arithmetic",
        expected: "numbers, a time and seconds, or vectors",
        found: value.type_name(),
    };
    match (operator, left, right) {
        (_, Value::Null, _) | (_, _, Value::Null) => Ok(Value::Null),
        (_, Value::Integer(a), Value::Integer(b)) if operator != Operator::Divide => {
            let result = match operator {
                Operator::Add => a.checked_add(*b),
                Operator::Subtract => a.checked_sub(*b),
                Operator::Multiply => a.checked_mul(*b),
                _ => a.checked_rem_euclid(*b),
            };
            let value = || format!("{a} and {b}");
            result
                .map(Value::Integer)
                .ok_or_else(|| Problem::OutOfRange { operation: "arithmetic", value: value() })
        }
        (Operator::Subtract, Value::Time(a), Value::Time(b)) => Ok(Value::Integer(a - b)),
        (Operator::Add, Value::Time(time), seconds) => {
            Ok(Value::Time(time + seconds.integer("time + seconds")?))
        }
        (Operator::Subtract, Value::Time(time), seconds) => {
            Ok(Value::Time(time - seconds.integer("time - seconds")?))
        }
        (Operator::Add, Value::List(a), Value::List(b)) => {
            Ok(Value::List(a.iter().chain(b.iter()).cloned().collect()))
        }
        (Operator::Add, Value::Vector(_) | Value::Numbers(_), Value::Vector(_) | Value::Numbers(_)) => {
            let (a, b) = (left.vector("vector + vector")?, right.vector("vector + vector")?);
            Ok(Value::Vector(a.iter().zip(b).map(|(a, b)| a + b).collect()))
        }
        (Operator::Multiply, Value::Vector(_) | Value::Numbers(_), factor)
        | (Operator::Multiply, factor, Value::Vector(_) | Value::Numbers(_)) => {
            let numbers = left.vector("").or_else(|_| right.vector("vector * number"))?;
            let factor = factor.number("vector * number")?;
            Ok(Value::Vector(numbers.iter().map(|number| number * factor).collect()))
        }
        _ => {
            let a = left.number("arithmetic").map_err(|_| wrong(left))?;
            let b = right.number("arithmetic").map_err(|_| wrong(right))?;
            let zero =
                || Problem::OutOfRange { operation: "arithmetic", value: "a division by 0".to_owned() };
            Ok(Value::Number(match operator {
                Operator::Add => a + b,
                Operator::Subtract => a - b,
                Operator::Multiply => a * b,
                _ if b == 0.0 => return Err(zero()),
                Operator::Divide => a / b,
                _ => a.rem_euclid(b),
            }))
        }
    }
}
