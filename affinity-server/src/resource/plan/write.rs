use super::error::PlanError;
use super::nearest::nearest;
use super::planner::Planner;
use crate::catalog::{Column, ColumnId, Conflict, GivenColumn, Identifier, Relation, RelationId};
use crate::resource::request::Resolution;

impl<'a> Planner<'a> {
    /// The column that a body's key names.
    ///
    /// # Errors
    /// [`PlanError::UnknownBodyColumn`] when there is none, or it is secret.
    pub fn body_column(&self, relation: &'a Relation, name: &str) -> Result<&'a Column, PlanError> {
        let visible = relation.columns.iter().filter(|column| !column.is_secret);
        visible.clone().find(|column| column.name.name() == name).ok_or_else(|| {
            PlanError::UnknownBodyColumn {
                relation: relation.name.name().to_owned(),
                column: name.to_owned(),
                nearest: nearest(name, visible.map(|column| column.name.name())).map(str::to_owned),
            }
        })
    }

    /// The names of columns.
    #[must_use]
    pub fn names(&self, id: RelationId, columns: &[ColumnId]) -> Vec<Identifier> {
        let relation = self.relation(id);
        columns.iter().map(|column| relation.column(*column).name.clone()).collect()
    }

    /// What an insert does with rows that are there: by the named columns, else by the primary key. `None` without
    /// either.
    ///
    /// # Errors
    /// [`PlanError::UnknownBodyColumn`] when a named column is none.
    pub fn conflict(
        &self,
        id: RelationId,
        on_conflict: Option<&[String]>,
        resolution: Resolution,
    ) -> Result<Option<Conflict>, PlanError> {
        let relation = self.relation(id);
        let columns = match on_conflict {
            Some(names) => {
                let found = names.iter().map(|name| Ok(self.body_column(relation, name)?.name.clone()));
                found.collect::<Result<Vec<_>, PlanError>>()?
            }
            None => self.names(id, &relation.primary_key),
        };
        let merges = resolution == Resolution::MergeDuplicates;
        Ok((!columns.is_empty()).then_some(Conflict { columns, merges }))
    }
}

/// How PostgreSQL reads a key of a body into a column.
pub(in crate::resource) fn given_column(column: &Column, takes_default: bool) -> GivenColumn {
    let data_type = &column.data_type;
    GivenColumn {
        name: column.name.clone(),
        sql_type: data_type.sql.clone(),
        is_json: !data_type.is_array && matches!(&*data_type.base, "json" | "jsonb"),
        default: column.default.clone().filter(|_| takes_default),
    }
}
