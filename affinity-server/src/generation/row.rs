//! A row that computes its cells when asked, each once.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use super::compile::TRAITS;
use super::error::{Failure, GenerationError, Problem};
use super::evaluate::Evaluation;
use super::random::{SplitMix64, derive};
use super::value::Value;
use super::world::{Expression, Fixed, Rows, Symbol, Table, World};

/// A world with a seed and a size: what every row depends on, shared by all threads.
pub(super) struct Run<'r> {
    pub(super) world: &'r World,
    pub(super) seed: u64,
    pub(super) population: i64,
    /// The number of rows of each table without a parent; 0 for the others.
    pub(super) counts: Vec<i64>,
    /// The traits of each row of a linked table, one after the other.
    pub(super) traits: Vec<Vec<f64>>,
}

impl<'r> Run<'r> {
    pub(super) fn new(world: &'r World, population: u64, seed: u64) -> Result<Self, GenerationError> {
        let too_few = || GenerationError::TooFew { population_min: world.population_min, got: population };
        let asked = i64::try_from(population).ok().filter(|_| population >= world.population_min);
        let none = vec![0; world.tables.len()];
        let mut run = Run {
            world,
            seed,
            population: asked.ok_or_else(too_few)?,
            counts: none,
            traits: world.tables.iter().map(|_| Vec::new()).collect(),
        };
        // In order: a table's size may depend on the sizes of tables before it, and traits on earlier traits.
        for (position, table) in world.tables.iter().enumerate() {
            if let Rows::Count(count) = &table.rows {
                run.counts[position] = run.count(table, count)?;
            }
            if world.linked[position] {
                run.traits[position] = run.collect_traits(table)?;
            }
        }
        Ok(run)
    }

    fn count(&self, table: &Table, count: &Expression) -> Result<i64, Failure> {
        let mut evaluation = Evaluation::outside(self, &table.name, "count");
        let value = evaluation.value(count)?;
        value.integer("count").map_err(|problem| evaluation.failure(problem)).map(|count| count.max(0))
    }

    fn collect_traits(&self, table: &Table) -> Result<Vec<f64>, Failure> {
        let symbol = self.world.symbols.iter().position(|name| name == TRAITS).map(Symbol);
        let mut collected = Vec::new();
        for index in 0..self.counts[table.position] {
            let row = Row::root(self, table, index);
            let value = symbol.map_or(Ok(Value::Null), |symbol| row.field(symbol))?;
            let traits = value.vector("links").map_err(|problem| row.failure(TRAITS, problem))?;
            collected.extend_from_slice(traits);
        }
        Ok(collected)
    }

    /// The row of `table` at `indexes`, oldest ancestor first.
    pub(super) fn row(&'r self, table: &'r Table, indexes: &[i64]) -> Result<Rc<Row<'r>>, Problem> {
        let out_of_range = || Problem::OutOfRange {
            operation: "a row reference",
            value: format!("{}{indexes:?}", table.name),
        };
        let (index, ancestors) = indexes.split_last().ok_or_else(out_of_range)?;
        match &table.rows {
            Rows::Count(_) => {
                let exists = ancestors.is_empty() && (0..self.counts[table.position]).contains(index);
                if exists { Ok(Row::root(self, table, *index)) } else { Err(out_of_range()) }
            }
            Rows::Each { parent, .. } => {
                let parent = self.row(&self.world.tables[*parent], ancestors)?;
                Ok(Row::child(table, parent, *index, None))
            }
        }
    }
}

enum Slot<'r> {
    Empty,
    Busy,
    Ready(Value<'r>),
}

/// One row of one table.
pub(super) struct Row<'r> {
    pub(super) run: &'r Run<'r>,
    pub(super) table: &'r Table,
    pub(super) parent: Option<Rc<Row<'r>>>,
    pub(super) index: i64,
    key: u64,
    fixed: Option<&'r Fixed>,
    item: OnceCell<Value<'r>>,
    slots: RefCell<Box<[Slot<'r>]>>,
}

impl<'r> Row<'r> {
    pub(super) fn root(run: &'r Run<'r>, table: &'r Table, index: i64) -> Rc<Self> {
        Self::new(run, table, None, index)
    }

    /// The child of `parent` at `index`; its item is computed from the parent when it is not given.
    pub(super) fn child(table: &'r Table, parent: Rc<Self>, index: i64, item: Option<Value<'r>>) -> Rc<Self> {
        let row = Self::new(parent.run, table, Some(parent), index);
        if let Some(item) = item {
            // A new row has no item yet.
            let _ = row.item.set(item);
        }
        row
    }

    fn new(run: &'r Run<'r>, table: &'r Table, parent: Option<Rc<Self>>, index: i64) -> Rc<Self> {
        let base = derive(parent.as_ref().map_or(run.seed, |parent| parent.key), table.key);
        let slots = table.cells.iter().map(|_| Slot::Empty).collect();
        let key = derive(base, index.unsigned_abs());
        let mut row = Self {
            run,
            table,
            parent,
            index,
            key,
            fixed: None,
            item: OnceCell::new(),
            slots: RefCell::new(slots),
        };
        row.fixed = table.fixed.iter().find(|fixed| row.is_at(&fixed.at));
        Rc::new(row)
    }

    fn is_at(&self, indexes: &[i64]) -> bool {
        match (indexes.split_last(), &self.parent) {
            (Some((index, [])), None) => *index == self.index,
            (Some((index, ancestors)), Some(parent)) => *index == self.index && parent.is_at(ancestors),
            (None, _) | (Some(_), None) => false,
        }
    }

    /// A stream for one cell, unrelated to that of any other cell.
    pub(super) fn stream(&self, cell: usize) -> SplitMix64 {
        SplitMix64::new(derive(self.key, self.table.cells[cell].key))
    }

    pub(super) fn failure(&self, column: &str, problem: Problem) -> Failure {
        Box::new(GenerationError::Evaluate {
            table: self.table.name.clone(),
            column: column.to_owned(),
            problem,
        })
    }

    pub(super) fn item(self: &Rc<Self>) -> Result<Value<'r>, Failure> {
        if let Some(item) = self.item.get() {
            return Ok(item.clone());
        }
        let (Rows::Each { items, .. }, Some(parent)) = (&self.table.rows, &self.parent) else {
            return Ok(Value::Integer(self.index));
        };
        let items = parent.children(&self.table.name, items)?;
        let index = usize::try_from(self.index).unwrap_or(usize::MAX);
        let out_of_range = || Problem::OutOfRange { operation: "item", value: self.index.to_string() };
        let item = items.get(index).cloned().ok_or_else(|| self.failure("each", out_of_range()))?;
        Ok(self.item.get_or_init(|| item).clone())
    }

    /// The items for which this row has a child each.
    pub(super) fn children(
        self: &Rc<Self>,
        child: &str,
        items: &'r Expression,
    ) -> Result<Rc<[Value<'r>]>, Failure> {
        let mut evaluation = Evaluation::inside(self, child, "each", SplitMix64::new(self.key));
        let value = evaluation.value(items)?;
        value.items("each").map_err(|problem| evaluation.failure(problem))
    }

    pub(super) fn exists(self: &Rc<Self>) -> Result<bool, Failure> {
        let Some(when) = self.table.when else { return Ok(true) };
        self.cell(when)?.truth("when").map_err(|problem| self.failure("when", problem))
    }

    pub(super) fn cell(self: &Rc<Self>, cell: usize) -> Result<Value<'r>, Failure> {
        let name = &self.table.cells[cell].name;
        {
            let mut slots = self.slots.borrow_mut();
            match &slots[cell] {
                Slot::Ready(value) => return Ok(value.clone()),
                Slot::Busy => return Err(self.failure(name, Problem::Cycle)),
                Slot::Empty => slots[cell] = Slot::Busy,
            }
        }
        if let Some(traits) = self.kept_traits(cell) {
            self.slots.borrow_mut()[cell] = Slot::Ready(traits.clone());
            return Ok(traits);
        }
        let fixed = self.fixed.and_then(|fixed| fixed.set.iter().find(|(fixed, _)| *fixed == cell));
        let expression = fixed.map_or(&self.table.cells[cell].expression, |(_, expression)| expression);
        let value = Evaluation::inside(self, &self.table.name, name, self.stream(cell)).value(expression)?;
        self.slots.borrow_mut()[cell] = Slot::Ready(value.clone());
        Ok(value)
    }

    /// The traits of a row of a linked table, which were computed before all others.
    fn kept_traits(&self, cell: usize) -> Option<Value<'r>> {
        let kept = &self.run.traits[self.table.position];
        if kept.is_empty() || self.table.cells[cell].name != TRAITS {
            return None;
        }
        let size = kept.len() / usize::try_from(self.run.counts[self.table.position]).ok()?;
        let traits = kept.chunks_exact(size).nth(usize::try_from(self.index).ok()?)?;
        Some(Value::Numbers(traits))
    }

    pub(super) fn field(self: &Rc<Self>, symbol: Symbol) -> Result<Value<'r>, Failure> {
        let cell = self.table.cell_of_symbol.get(symbol.0).copied().flatten();
        match (symbol, &self.parent) {
            (_, _) if cell.is_some() => cell.map_or(Ok(Value::Null), |cell| self.cell(cell)),
            (Symbol::INDEX, _) => Ok(Value::Integer(self.index)),
            (Symbol::ITEM, _) => self.item(),
            (Symbol::PARENT, Some(parent)) => Ok(Value::Row(Rc::clone(parent))),
            _ => {
                let field = self.run.world.symbols[symbol.0].clone();
                let on = format!("rows of \"{}\"", self.table.name);
                Err(self.failure(&field, Problem::UnknownField { field: field.clone(), on }))
            }
        }
    }
}
