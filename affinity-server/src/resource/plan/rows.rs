use std::sync::Arc;

use super::error::PlanError;
use super::planner::{Planner, Table};
use crate::catalog::{
    Cast, ColumnId, Embed, Identifier, Join, Label, Link, LinkVia, Order, OrderValue, Output, OutputValue,
    Predicate, RelationId, Rows, Source, Summary, Value,
};
use crate::resource::request::{
    Aggregate, Condition, EmbedJoin, EmbedKind, Embedding, Field, Filter, Operator, OrderField, OrderTerm,
    Query, SelectItem,
};

impl<'a> Planner<'a> {
    /// What `query` asks for of `source`, whose columns are those of `table`.
    ///
    /// # Errors
    /// [`PlanError`] naming what is not there or not allowed.
    pub fn rows(&self, table: Table<'a>, source: Source, query: &Query) -> Result<Rows, PlanError> {
        let mut rows = Rows { limit: query.window.limit, offset: query.window.offset, ..Rows::all(source) };
        let mut embeddings = Vec::new();
        for item in &query.select {
            match item {
                SelectItem::Star => rows.outputs.extend(self.all_columns(table).map(|column| Output {
                    label: Label::of(&column.name),
                    value: OutputValue::Own {
                        value: Value::column(&column.name, &column.data_type.sql),
                        cast: None,
                        aggregate: None,
                    },
                })),
                SelectItem::Field { .. } => rows.outputs.push(self.field(table, item)?),
                SelectItem::Embed(embedding) => {
                    embeddings.push(embedding);
                    self.embed(table, embedding, &mut rows)?;
                }
            }
        }
        for condition in &query.conditions {
            rows.predicates.push(self.condition(table, condition, &embeddings)?);
        }
        for term in &query.order {
            let order = self.order(table, term, &embeddings, &mut rows)?;
            rows.order.push(order);
        }
        Ok(rows)
    }

    fn field(&self, table: Table<'a>, item: &SelectItem) -> Result<Output, PlanError> {
        let SelectItem::Field { alias, field, cast, aggregate, aggregate_cast } = item else {
            return Err(PlanError::AggregatesDisabled);
        };
        if aggregate.is_some() && !self.platform.settings.aggregates_enabled {
            return Err(PlanError::AggregatesDisabled);
        }
        let (cast, aggregate_cast) = (find_cast(cast.as_deref())?, find_cast(aggregate_cast.as_deref())?);
        let own_name = match (aggregate, field) {
            (Some(aggregate), _) => aggregate_name(*aggregate),
            (None, Some(field)) => field_label(field),
            (None, None) => "count",
        };
        let value = match field {
            None => OutputValue::Count { cast: aggregate_cast.or(cast) },
            // Before there were aggregates, `count` stood for one: it needs no leave.
            Some(field)
                if field.name == "count"
                    && field.path.is_empty()
                    && aggregate.is_none()
                    && !has_count(table) =>
            {
                OutputValue::Count { cast }
            }
            Some(field) => {
                let (value, _) = self.value(table, field)?;
                let aggregate = aggregate.map(|aggregate| Summary { aggregate, cast: aggregate_cast });
                OutputValue::Own { value, cast, aggregate }
            }
        };
        Ok(Output { label: label(alias.as_deref().unwrap_or(own_name))?, value })
    }

    fn embed(&self, table: Table<'a>, embedding: &Embedding, rows: &mut Rows) -> Result<(), PlanError> {
        let link = self.find_link(table, embedding)?;
        let is_twice = rows.outputs.iter().any(|output| {
            matches!(output.value, OutputValue::Nested { .. }) && output.label.text() == embedding.key()
        });
        if is_twice && embedding.kind == EmbedKind::Nested {
            let (table, embed) = (table.name.to_owned(), embedding.key().to_owned());
            return Err(PlanError::EmbeddedTwice { table, embed });
        }
        let source = match &link.via {
            LinkVia::Function { schema } => Source::OfRow { schema: schema.clone(), name: link.name.clone() },
            LinkVia::Columns { .. } | LinkVia::Junction { .. } => self.source(link.to),
        };
        let inner = self.rows(self.table(link.to), source, &embedding.query);
        let mut inner = inner.map_err(PlanError::embedded)?;
        let is_spread = embedding.kind == EmbedKind::Spread;
        let place = rows.embeds.len();
        if is_spread {
            rows.outputs.extend(spread(&mut inner, place, link.is_to_one));
        } else if !inner.outputs.is_empty() {
            rows.outputs
                .push(Output { label: label(embedding.key())?, value: OutputValue::Nested { embed: place } });
        }
        rows.embeds.push(Embed {
            rows: inner,
            join: self.join(link),
            is_inner: embedding.join == Some(EmbedJoin::Inner),
            is_to_one: link.is_to_one,
            rows_max: self.rows_max,
            is_spread,
            keys: Vec::new(),
        });
        Ok(())
    }

    fn join(&self, link: &Link) -> Join {
        let named = |(left, right): &(ColumnId, ColumnId), from: RelationId, to: RelationId| {
            let name = |relation, id| -> Identifier { self.relation(relation).column(id).name.clone() };
            (name(from, *left), name(to, *right))
        };
        match &link.via {
            LinkVia::Columns { pairs, .. } => {
                Join::Columns(pairs.iter().map(|pair| named(pair, link.from, link.to)).collect())
            }
            LinkVia::Junction { table, near, far, .. } => Join::Junction {
                schema: self.relation(*table).schema.clone(),
                table: self.relation(*table).name.clone(),
                near: near.iter().map(|pair| named(pair, link.from, *table)).collect(),
                far: far.iter().map(|pair| named(pair, *table, link.to)).collect(),
            },
            LinkVia::Function { .. } => Join::Function,
        }
    }

    /// A condition; one on an embedding's name asks whether there are related rows.
    fn condition(
        &self,
        table: Table<'a>,
        condition: &Condition,
        embeddings: &[&Embedding],
    ) -> Result<Predicate, PlanError> {
        let all = |parts: &[Condition]| {
            parts.iter().map(|part| self.condition(table, part, embeddings)).collect::<Result<_, _>>()
        };
        Ok(match condition {
            Condition::And { is_negated, parts } => {
                Predicate::All { is_negated: *is_negated, parts: all(parts)? }
            }
            Condition::Or { is_negated, parts } => {
                Predicate::Any { is_negated: *is_negated, parts: all(parts)? }
            }
            Condition::Filter(filter) => self.filter(table, filter, embeddings)?,
        })
    }

    fn filter(
        &self,
        table: Table<'a>,
        filter: &Filter,
        embeddings: &[&Embedding],
    ) -> Result<Predicate, PlanError> {
        let name = filter.field.name.as_str();
        let is_column = table.columns.iter().any(|column| column.name.name() == name);
        if let (false, Some(embed)) = (is_column, find_embedding(embeddings, name)) {
            let wants_none = match &filter.operator {
                Operator::Is("NULL") => !filter.is_negated,
                Operator::Is("NOT NULL") => filter.is_negated,
                _ => return Err(PlanError::FilterOnEmbed { embed: name.to_owned() }),
            };
            return Ok(Predicate::Related { embed, is_negated: wants_none });
        }
        let (value, data_type) = self.value(table, &filter.field)?;
        Ok(Predicate::Compare {
            operand_type: operand_type(&value, &filter.operator),
            is_text_vector: value.path.is_empty() && !data_type.is_array && &*data_type.base == "tsvector",
            value,
            is_negated: filter.is_negated,
            operator: filter.operator.clone(),
        })
    }

    fn order(
        &self,
        table: Table<'a>,
        term: &OrderTerm,
        embeddings: &[&Embedding],
        rows: &mut Rows,
    ) -> Result<Order, PlanError> {
        let by = match &term.by {
            OrderField::Own(field) => OrderValue::Own(self.value(table, field)?.0),
            OrderField::Embedded { relation, field } => {
                let embed = find_embedding(embeddings, relation)
                    .ok_or_else(|| PlanError::NotEmbedded { relation: relation.clone() })?;
                let link = self.find_link(table, embeddings[embed])?;
                if !link.is_to_one {
                    let (from, to) = (table.name.to_owned(), relation.clone());
                    return Err(PlanError::OrderByMany { from, to });
                }
                let (value, _) = self.value(self.table(link.to), field)?;
                let keys = &mut rows.embeds[embed].keys;
                keys.push(value);
                OrderValue::Related { embed, key: keys.len() - 1 }
            }
        };
        Ok(Order { by, is_descending: term.is_descending, nulls: term.nulls })
    }
}

/// The outputs of spread rows, as outputs of the row that they go into. Sums over a related row become sums over the
/// rows that it goes into.
fn spread(inner: &mut Rows, embed: usize, is_to_one: bool) -> Vec<Output> {
    let outputs = inner.outputs.iter_mut().enumerate();
    let lifted = outputs.map(|(place, output)| {
        let aggregate = match &mut output.value {
            OutputValue::Own { aggregate, .. } | OutputValue::Spread { aggregate, .. } if is_to_one => {
                aggregate.take()
            }
            _ => None,
        };
        let value = OutputValue::Spread { embed, output: place, aggregate };
        Output { label: output.label.clone(), value }
    });
    lifted.collect()
}

fn find_embedding(embeddings: &[&Embedding], name: &str) -> Option<usize> {
    let by_alias = embeddings.iter().position(|embedding| embedding.alias.as_deref() == Some(name));
    by_alias.or_else(|| embeddings.iter().position(|embedding| embedding.relation == name))
}

fn find_cast(name: Option<&str>) -> Result<Option<Cast>, PlanError> {
    let Some(name) = name else { return Ok(None) };
    let unknown = || PlanError::UnknownCast { name: name.to_owned(), allowed: Cast::names().collect() };
    Cast::find(name).ok_or_else(unknown).map(Some)
}

fn label(text: &str) -> Result<Label, PlanError> {
    Label::new(text).ok_or_else(|| PlanError::LabelTooLong { label: text.to_owned() })
}

fn has_count(table: Table<'_>) -> bool {
    table.columns.iter().any(|column| column.name.name() == "count")
}

/// The last key of the path, else the column.
fn field_label(field: &Field) -> &str {
    let mut keys = field.path.iter().filter(|step| !step.is_index);
    keys.next_back().map_or(&field.name, |step| &step.key)
}

fn aggregate_name(aggregate: Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Count => "count",
        Aggregate::Sum => "sum",
        Aggregate::Avg => "avg",
        Aggregate::Min => "min",
        Aggregate::Max => "max",
    }
}

/// The type that an operand is read as.
fn operand_type(value: &Value, operator: &Operator) -> Arc<str> {
    match operator {
        Operator::Binary { name: "like" | "ilike" | "match" | "imatch", .. } => Arc::from("text"),
        _ => Arc::clone(&value.sql_type),
    }
}
