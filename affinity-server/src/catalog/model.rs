use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use super::settings::PlatformSettings;

/// A name that PostgreSQL has, ready for SQL. Only the catalog makes one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(Arc<str>);

impl Identifier {
    /// For names that came out of PostgreSQL's own catalog, and aliases that the planner made.
    pub(in crate::catalog) fn known(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// What statements call the value of a function that gives no columns.
    #[must_use]
    pub fn scalar() -> Self {
        Self::known("pgrst_scalar") // as PostgREST does, whose clients see it in CSV
    }

    /// The name as people write it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The name as SQL needs it, always quoted.
    #[must_use]
    pub(in crate::catalog) fn quoted(&self) -> String {
        let mut quoted = String::with_capacity(self.0.len() + 2);
        self.quote_into(&mut quoted);
        quoted
    }

    /// The same behind `sql`.
    pub(in crate::catalog) fn quote_into(&self, sql: &mut String) {
        sql.push('"');
        for (place, part) in self.0.split('"').enumerate() {
            if place > 0 {
                sql.push_str("\"\"");
            }
            sql.push_str(part);
        }
        sql.push('"');
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// Which of [`Catalog::relations`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationId(u32);

impl RelationId {
    /// The id of the relation at this place of those that [`Catalog::new`] is given. PostgreSQL has fewer than 2³².
    pub(in crate::catalog) fn at(place: usize) -> Self {
        Self(u32::try_from(place).unwrap_or(u32::MAX))
    }

    /// The place.
    pub(in crate::catalog) fn place(self) -> usize {
        self.0 as usize
    }
}

/// Which of a relation's columns, by their order in PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnId(u16);

impl ColumnId {
    /// The id of the column at this place of its relation's columns. PostgreSQL allows 1600.
    pub(in crate::catalog) fn at(place: usize) -> Self {
        Self(u16::try_from(place).unwrap_or(u16::MAX))
    }
}

/// Everything that the served schemas hold, as PostgreSQL described it at one moment; replaced whole when it changes.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// By base URL.
    pub platforms: BTreeMap<String, ServedPlatform>,
    relations: Vec<Relation>,
    links: Vec<Link>,
    functions: Vec<Function>,
    relation_by_name: HashMap<(Identifier, Identifier), RelationId>,
}

/// What is served below one base URL.
#[derive(Clone, Debug)]
pub struct ServedPlatform {
    /// The name in the URL.
    pub name: String,
    /// The schemas that `Accept-Profile` may ask for; the first is the default.
    pub schemas: Vec<Identifier>,
    /// How it is served.
    pub settings: PlatformSettings,
    /// What of `schemas` is served: a relation of the same schema may be refused here and served elsewhere.
    pub relations: BTreeSet<RelationId>,
    /// Tables that are not served, and why.
    pub refused: Vec<RefusedRelation>,
}

impl ServedPlatform {
    /// Whether functions of `schema` may be used in selects: those of the extra search path are not served by
    /// themselves.
    #[must_use]
    pub fn may_call(&self, schema: &Identifier) -> bool {
        self.schemas.contains(schema)
            || self.settings.extra_search_path.iter().any(|extra| extra == schema.name())
    }

    /// The served schema of this name.
    #[must_use]
    pub fn schema(&self, name: &str) -> Option<&Identifier> {
        self.schemas.iter().find(|schema| schema.name() == name)
    }
}

/// A table that is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRelation {
    /// Its schema.
    pub schema: Identifier,
    /// Its name.
    pub name: Identifier,
    /// What it lacks, for people.
    pub reason: &'static str,
}

/// What kind of relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    /// A table, a partitioned one included.
    Table,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A foreign table.
    ForeignTable,
}

/// A table or view.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Its schema.
    pub schema: Identifier,
    /// Its name.
    pub name: Identifier,
    /// What it is.
    pub kind: RelationKind,
    /// Its comment.
    pub comment: Option<String>,
    /// In PostgreSQL's order.
    pub columns: Vec<Column>,
    /// The primary key's columns, or those of a view that a primary key shows through; empty when there is none.
    pub primary_key: Vec<ColumnId>,
    /// The columns of each unique constraint or plain unique index, the primary key excluded.
    pub unique_keys: Vec<Vec<ColumnId>>,
    /// Whether PostgreSQL takes INSERT, UPDATE and DELETE on it.
    pub writable: Writable,
    /// The column that says which version of the row this is: `version`, else `updated_at`.
    pub version_column: Option<ColumnId>,
}

/// Which writes PostgreSQL takes on a relation, whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writable {
    /// Rows can be inserted.
    pub insert: bool,
    /// Rows can be updated.
    pub update: bool,
    /// Rows can be deleted.
    pub delete: bool,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: Identifier,
    /// Its type.
    pub data_type: DataType,
    /// Its comment.
    pub comment: Option<String>,
    /// Whether it may be NULL.
    pub is_nullable: bool,
    /// The default's expression, for documentation.
    pub default: Option<String>,
    /// Whether only PostgreSQL writes it: generated, or an identity that is always generated.
    pub is_generated: bool,
    /// Tagged secret: never selected, filtered, ordered or embedded.
    pub is_secret: bool,
    /// Tagged personal.
    pub is_personal: bool,
}

/// A column's or argument's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataType {
    /// As `format_type` writes it, ready for a cast, such as `numeric(12,2)`, `text[]` or `teraffi.tier`.
    pub sql: Arc<str>,
    /// The base type's name: through domains and array elements, such as `numeric`, `text`, `uuid`.
    pub base: Arc<str>,
    /// How many values.
    pub is_array: bool,
    /// Precision and scale of a `numeric` that has them.
    pub numeric: Option<(u16, u16)>,
    /// Characters of a `varchar(n)` or `char(n)`.
    pub length_max: Option<u32>,
    /// Labels of an enum in their order; empty for other types.
    pub labels: Arc<[String]>,
    /// The relation whose row type it is.
    pub row_of: Option<RelationId>,
}

/// A way from one relation to another: a foreign key in either direction, or a function that takes a row.
#[derive(Clone, Debug)]
pub struct Link {
    /// Where it starts.
    pub from: RelationId,
    /// Where it leads.
    pub to: RelationId,
    /// The foreign key's or the function's name, for hints.
    pub name: Identifier,
    /// How rows are found.
    pub via: LinkVia,
    /// Whether one row at most is at the other end.
    pub is_to_one: bool,
}

/// How the rows at the other end of a [`Link`] are found.
#[derive(Clone, Debug)]
pub enum LinkVia {
    /// Equal columns: those of `from` and those of `to`. `is_forward` when `from` holds the foreign key.
    Columns {
        /// Pairs.
        pairs: Vec<(ColumnId, ColumnId)>,
        /// Whether `from` refers to `to`.
        is_forward: bool,
    },
    /// Through a junction table whose primary key holds both foreign keys.
    Junction {
        /// The junction.
        table: RelationId,
        /// The other foreign key's name.
        far_name: Identifier,
        /// Columns of `from` and of the junction.
        near: Vec<(ColumnId, ColumnId)>,
        /// Columns of the junction and of `to`.
        far: Vec<(ColumnId, ColumnId)>,
    },
    /// A function that takes a row of `from`.
    Function {
        /// Its schema.
        schema: Identifier,
    },
}

/// A function or procedure.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its schema.
    pub schema: Identifier,
    /// Its name.
    pub name: Identifier,
    /// Its comment.
    pub comment: Option<String>,
    /// Arguments that go in.
    pub arguments: Vec<Argument>,
    /// What comes back.
    pub returns: Returns,
    /// Whether it may write: not declared stable or immutable.
    pub is_volatile: bool,
    /// Whether it is a procedure, run by CALL.
    pub is_procedure: bool,
}

/// An argument of a [`Function`].
#[derive(Clone, Debug)]
pub struct Argument {
    /// Its name, empty when it has none.
    pub name: Identifier,
    /// Its type.
    pub data_type: DataType,
    /// Whether it has a default.
    pub is_optional: bool,
    /// Whether it takes all that follow.
    pub is_variadic: bool,
}

/// What a function returns.
#[derive(Clone, Debug)]
pub enum Returns {
    /// Nothing.
    Void,
    /// One value or many.
    Value {
        /// Of this type.
        data_type: DataType,
        /// Whether it is a set.
        is_set: bool,
    },
    /// Rows of a relation.
    Rows {
        /// Which.
        relation: RelationId,
        /// Whether it is a set.
        is_set: bool,
    },
    /// Rows of its own: TABLE or OUT arguments.
    Record {
        /// Names and types.
        columns: Vec<Column>,
        /// Whether it is a set.
        is_set: bool,
    },
}

impl Catalog {
    /// Puts together what was read: links sorted by `from`, functions by schema and name. A [`RelationId`] is a
    /// place in `relations`.
    pub(in crate::catalog) fn new(
        platforms: BTreeMap<String, ServedPlatform>,
        relations: Vec<Relation>,
        links: Vec<Link>,
        functions: Vec<Function>,
    ) -> Self {
        let by_name = |(place, relation): (usize, &Relation)| {
            ((relation.schema.clone(), relation.name.clone()), RelationId::at(place))
        };
        let relation_by_name = relations.iter().enumerate().map(by_name).collect();
        Self { platforms, relations, links, functions, relation_by_name }
    }

    /// The relation of this name in `schema`, whichever platform serves it.
    #[must_use]
    pub fn find(&self, schema: &Identifier, name: &str) -> Option<RelationId> {
        self.relation_by_name.get(&(schema.clone(), Identifier::known(name))).copied()
    }

    /// The relation of this name in `schema` that `platform` serves.
    #[must_use]
    pub fn find_served(
        &self,
        platform: &ServedPlatform,
        schema: &Identifier,
        name: &str,
    ) -> Option<RelationId> {
        self.find(schema, name).filter(|id| platform.relations.contains(id))
    }

    /// The relation.
    #[must_use]
    pub fn relation(&self, id: RelationId) -> &Relation {
        &self.relations[id.0 as usize]
    }

    /// Every relation with its id.
    pub fn relations(&self) -> impl Iterator<Item = (RelationId, &Relation)> {
        (0..).map(RelationId).zip(&self.relations)
    }

    /// The ways that start at `from`, in a fixed order, whichever platform serves the other end.
    pub fn links_from(&self, from: RelationId) -> impl Iterator<Item = &Link> {
        let start = self.links.partition_point(|link| link.from < from);
        self.links[start..].iter().take_while(move |link| link.from == from)
    }

    /// Those of [`Self::links_from`] that `platform` serves all of: the other end, the junction, the function.
    pub fn served_links<'a>(
        &'a self,
        platform: &'a ServedPlatform,
        from: RelationId,
    ) -> impl Iterator<Item = &'a Link> {
        self.links_from(from).filter(|link| {
            let is_way_served = match &link.via {
                LinkVia::Columns { .. } => true,
                LinkVia::Junction { table, .. } => platform.relations.contains(table),
                LinkVia::Function { schema } => platform.may_call(schema),
            };
            is_way_served && platform.relations.contains(&link.to)
        })
    }

    /// The functions of this name in `schema`: more than one when it is overloaded.
    pub fn functions<'a, 'n>(
        &'a self,
        schema: &'n Identifier,
        name: &'n str,
    ) -> impl Iterator<Item = &'a Function> + use<'a, 'n> {
        let wanted = (schema.name(), name);
        let start = self
            .functions
            .partition_point(|function| (function.schema.name(), function.name.name()) < wanted);
        let of_name = move |function: &&Function| (function.schema.name(), function.name.name()) == wanted;
        self.functions[start..].iter().take_while(of_name)
    }

    /// The computed fields of a relation that `platform` may use: functions of a row and nothing else that give one
    /// value. Those that give rows are [`LinkVia::Function`].
    pub fn computed_fields<'a>(
        &'a self,
        platform: &'a ServedPlatform,
        relation: RelationId,
    ) -> impl Iterator<Item = &'a Function> {
        self.functions.iter().filter(move |function| {
            function.takes_row_of() == Some(relation)
                && platform.may_call(&function.schema)
                && matches!(function.returns, Returns::Value { is_set: false, .. })
        })
    }

    /// Every function.
    #[must_use]
    pub fn all_functions(&self) -> &[Function] {
        &self.functions
    }
}

impl Function {
    /// The relation that its only argument is a row of.
    #[must_use]
    pub fn takes_row_of(&self) -> Option<RelationId> {
        match self.arguments.as_slice() {
            [only] if !only.data_type.is_array => only.data_type.row_of,
            _ => None,
        }
    }
}

impl Relation {
    /// The column of this name, exactly as written.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ColumnId> {
        let place = self.columns.iter().position(|column| column.name.name() == name)?;
        u16::try_from(place).ok().map(ColumnId)
    }

    /// The column.
    #[must_use]
    pub fn column(&self, id: ColumnId) -> &Column {
        &self.columns[usize::from(id.0)]
    }

    /// Every column with its id.
    pub fn columns(&self) -> impl Iterator<Item = (ColumnId, &Column)> {
        (0..).map(ColumnId).zip(&self.columns)
    }
}
