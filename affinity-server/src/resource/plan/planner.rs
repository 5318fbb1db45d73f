use std::collections::HashSet;
use std::sync::Arc;

use super::error::PlanError;
use super::nearest::nearest;
use crate::catalog::{
    Base, Catalog, Column, ColumnId, DataType, Identifier, Relation, RelationId, Returns, ServedPlatform,
    Source, Value,
};
use crate::resource::request::Field;

/// What a plan is made against: the catalog as one platform and role see it.
#[derive(Clone, Copy, Debug)]
pub struct Planner<'a> {
    /// Every name there is.
    pub catalog: &'a Catalog,
    /// The platform that is asked.
    pub platform: &'a ServedPlatform,
    /// Its schema that is asked.
    pub schema: &'a Identifier,
    /// Embedded rows of one row at most.
    pub rows_max: u64,
    /// Columns that the caller's role may not read, which `*` leaves out.
    pub unreadable: &'a HashSet<(RelationId, ColumnId)>,
}

/// Something with columns: a relation, or what a function returns.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// Which relation's rows these are, if any's.
    pub relation: Option<RelationId>,
    /// What errors call it.
    pub name: &'a str,
    /// Its columns.
    pub columns: &'a [Column],
}

impl<'a> Planner<'a> {
    /// The table that `name` means.
    ///
    /// # Errors
    /// [`PlanError::UnknownTable`] when the platform serves none of this name.
    pub fn find_table(&self, name: &str) -> Result<RelationId, PlanError> {
        self.catalog.find_served(self.platform, self.schema, name).ok_or_else(|| {
            let served = self.platform.relations.iter().map(|id| self.catalog.relation(*id));
            let names = served.filter(|relation| relation.schema == *self.schema);
            let refused = self.platform.refused.iter();
            PlanError::UnknownTable {
                schema: self.schema.name().to_owned(),
                table: name.to_owned(),
                nearest: nearest(name, names.map(|relation| relation.name.name())).map(str::to_owned),
                refused: refused
                    .filter(|refused| refused.schema == *self.schema)
                    .find(|refused| refused.name.name() == name)
                    .map(|refused| refused.reason),
            }
        })
    }

    /// A relation as a table.
    #[must_use]
    pub fn table(&self, id: RelationId) -> Table<'a> {
        let relation = self.catalog.relation(id);
        Table { relation: Some(id), name: relation.name.name(), columns: &relation.columns }
    }

    /// The relation.
    #[must_use]
    pub fn relation(&self, id: RelationId) -> &'a Relation {
        self.catalog.relation(id)
    }

    /// Where the rows of a relation are.
    #[must_use]
    pub fn source(&self, id: RelationId) -> Source {
        let relation = self.catalog.relation(id);
        Source::Relation { schema: relation.schema.clone(), name: relation.name.clone() }
    }

    /// The columns that `*` means.
    pub fn all_columns(&self, table: Table<'a>) -> impl Iterator<Item = &'a Column> {
        let readable = move |column: &Column| match table.relation {
            Some(id) => {
                let place = self.catalog.relation(id).find(column.name.name());
                place.is_none_or(|place| !self.unreadable.contains(&(id, place)))
            }
            None => true,
        };
        table.columns.iter().filter(move |column| !column.is_secret && readable(column))
    }

    /// The column of this name.
    ///
    /// # Errors
    /// [`PlanError::UnknownColumn`] when there is none, or it is secret.
    pub fn column(&self, table: Table<'a>, name: &str) -> Result<&'a Column, PlanError> {
        let visible = table.columns.iter().filter(|column| !column.is_secret);
        visible.clone().find(|column| column.name.name() == name).ok_or_else(|| {
            let allowed: Vec<String> = visible.map(|column| column.name.name().to_owned()).collect();
            PlanError::UnknownColumn {
                relation: table.name.to_owned(),
                depth: 0,
                column: name.to_owned(),
                nearest: nearest(name, allowed.iter().map(String::as_str)).map(str::to_owned),
                allowed,
            }
        })
    }

    /// The value that a field means, with the type of its base: a column, else a function of the row.
    ///
    /// # Errors
    /// [`PlanError::UnknownColumn`] when it is neither.
    pub fn value(&self, table: Table<'a>, field: &Field) -> Result<(Value, &'a DataType), PlanError> {
        let (base, data_type) = match self.column(table, &field.name) {
            Ok(column) => (Base::Column(column.name.clone()), &column.data_type),
            Err(unknown) => self.computed(table, &field.name).ok_or(unknown)?,
        };
        let is_json = is_json(data_type);
        let sql_type = match field.path.last() {
            None => comparable(data_type),
            Some(step) if step.as_text => Arc::from("text"),
            Some(_) => Arc::from("jsonb"),
        };
        let value = Value { base, sql_type, is_json, path: field.path.clone() };
        Ok((value, data_type))
    }

    fn computed(&self, table: Table<'a>, name: &str) -> Option<(Base, &'a DataType)> {
        table.relation?;
        let takes_row = self.catalog.all_functions().iter().filter(|function| {
            let one_row =
                function.arguments.len() == 1 && function.arguments[0].data_type.row_of == table.relation;
            one_row && function.name.name() == name && self.platform.may_call(&function.schema)
        });
        takes_row.into_iter().find_map(|function| match &function.returns {
            Returns::Value { data_type, is_set: false } => Some((
                Base::Function { schema: function.schema.clone(), name: function.name.clone() },
                data_type,
            )),
            _ => None,
        })
    }
}

/// Whether it is `json` or `jsonb`.
fn is_json(data_type: &DataType) -> bool {
    !data_type.is_array && matches!(&*data_type.base, "json" | "jsonb")
}

/// The type to compare values of this type in: without the precision or length, to which a cast would cut.
fn comparable(data_type: &DataType) -> Arc<str> {
    match data_type.numeric.is_some() || data_type.length_max.is_some() {
        true if data_type.is_array => format!("{}[]", data_type.base).into(),
        true => Arc::clone(&data_type.base),
        false => Arc::clone(&data_type.sql),
    }
}
