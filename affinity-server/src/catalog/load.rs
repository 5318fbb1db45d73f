use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::PgPool;

use super::data_types::DataTypes;
use super::facts::{ColumnFact, Facts, FunctionFact, RelationFact};
use super::links::{Showing, along_foreign_keys, computed, through_junctions};
use super::live::CatalogSettings;
use super::model::{
    Argument, Catalog, Column, ColumnId, Function, Identifier, RefusedRelation, Relation, RelationId,
    RelationKind, Returns, ServedPlatform, Writable,
};
use super::sql::CatalogError;
use super::view_columns::shown_columns;

/// Reads the catalog as it is now: the same database and settings make the same catalog.
///
/// A view has the foreign and primary keys of a table whose columns it shows as they are, through other views too; not
/// through set operations, and of a column shown twice only the first. Its primary key holds those of all tables that
/// show theirs.
///
/// # Errors
/// [`CatalogError`] when the database cannot be asked.
pub async fn load(pool: &PgPool, settings: &CatalogSettings) -> Result<Catalog, CatalogError> {
    let mut transaction = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let facts = Facts::read(&mut transaction, &settings.platforms).await?;
    transaction.rollback().await?;
    Ok(assemble(&facts))
}

fn assemble(facts: &Facts) -> Catalog {
    let (platforms, served) = admit(facts);
    let ids: HashMap<u32, RelationId> =
        served.iter().enumerate().map(|(place, fact)| (fact.oid.0, RelationId::at(place))).collect();
    let types = DataTypes::new(&facts.types, &ids);
    let mut columns_of: HashMap<u32, Vec<&ColumnFact>> = HashMap::new();
    facts.columns.iter().for_each(|column| columns_of.entry(column.relation.0).or_default().push(column));
    let described = |oid: u32| columns_of.get(&oid).map_or(&[][..], Vec::as_slice);
    let mut relations: Vec<Relation> =
        served.iter().map(|fact| relation(fact, described(fact.oid.0), &types)).collect();
    let roots = roots(facts);
    let showing = showing(&ids, &columns_of, &roots);
    mark_columns(facts, &ids, &columns_of, &roots, &mut relations);
    find_keys(facts, &showing, &mut relations);

    let functions: Vec<Function> =
        facts.functions.iter().map(|fact| function(fact, &types, &ids, described)).collect();
    let mut links = along_foreign_keys(&facts.foreign_keys, &facts.unique_indexes, &showing);
    links.extend(through_junctions(&links, &relations));
    let gives_one = facts.functions.iter().map(|fact| fact.returns_one);
    links.extend(
        functions.iter().zip(gives_one).filter_map(|(function, gives_one)| computed(function, gives_one)),
    );
    // Stable: what is equal here stays in the order of foreign keys, which is by name.
    links.sort_by(|left, right| (left.from, left.to, &left.name).cmp(&(right.from, right.to, &right.name)));
    Catalog::new(platforms, relations, links, functions)
}

/// Which platform serves and refuses what, and all that is served anywhere, in the order of the facts.
fn admit(facts: &Facts) -> (BTreeMap<String, ServedPlatform>, Vec<&RelationFact>) {
    let fault_here = |fact: &RelationFact, allows_unguarded: bool| fault(fact).filter(|_| !allows_unguarded);
    let is_served = |fact: &&RelationFact| {
        facts.platforms.iter().any(|(_, settings)| {
            settings.schemas.contains(&fact.schema) && fault_here(fact, settings.allow_unguarded).is_none()
        })
    };
    let wanted = || facts.relations.iter().filter(|fact| !fact.is_unserved);
    let served: Vec<&RelationFact> = wanted().filter(is_served).collect();
    let mut platforms = BTreeMap::new();
    for (name, settings) in &facts.platforms {
        let is_admitted = |fact: &RelationFact| {
            settings.schemas.contains(&fact.schema) && fault_here(fact, settings.allow_unguarded).is_none()
        };
        let relations: BTreeSet<RelationId> = served
            .iter()
            .enumerate()
            .filter(|(_, fact)| is_admitted(fact))
            .map(|(place, _)| RelationId::at(place))
            .collect();
        let refused = wanted().filter(|fact| settings.schemas.contains(&fact.schema)).filter_map(|fact| {
            let reason = fault_here(fact, settings.allow_unguarded)?;
            let (schema, name) = (Identifier::known(&fact.schema), Identifier::known(&fact.name));
            Some(RefusedRelation { schema, name, reason })
        });
        let platform = ServedPlatform {
            name: name.clone(),
            schemas: settings.schemas.iter().map(|schema| Identifier::known(schema)).collect(),
            settings: settings.clone(),
            relations,
            refused: refused.collect(),
        };
        platforms.insert(name.clone(), platform);
    }
    (platforms, served)
}

/// What a relation lacks to be served to people who may not see all of it.
fn fault(fact: &RelationFact) -> Option<&'static str> {
    match kind(fact) {
        RelationKind::Table if !fact.has_row_security => Some("row-level security is not enabled"),
        RelationKind::Table if !fact.forces_row_security => Some("row-level security is not forced"),
        RelationKind::Table if !fact.has_policy => Some("it has no policy"),
        RelationKind::View if !fact.is_invoker => Some("the view is not security_invoker"),
        RelationKind::MaterializedView => Some("a materialized view has no row-level security"),
        RelationKind::ForeignTable => Some("a foreign table has no row-level security"),
        RelationKind::Table | RelationKind::View => None,
    }
}

fn kind(fact: &RelationFact) -> RelationKind {
    match fact.kind.as_str() {
        "v" => RelationKind::View,
        "m" => RelationKind::MaterializedView,
        "f" => RelationKind::ForeignTable,
        _ => RelationKind::Table,
    }
}

fn relation(fact: &RelationFact, columns: &[&ColumnFact], types: &DataTypes<'_>) -> Relation {
    let columns: Vec<Column> = columns.iter().map(|fact| column(fact, types)).collect();
    let named = |name: &str| columns.iter().position(|column| column.name.name() == name);
    let version_column = named("version").or_else(|| named("updated_at")).map(ColumnId::at);
    let takes = |command: u32| fact.updatable & (1 << command) != 0; // numbers of PostgreSQL's `CmdType`
    Relation {
        schema: Identifier::known(&fact.schema),
        name: Identifier::known(&fact.name),
        kind: kind(fact),
        comment: fact.comment.clone(),
        columns,
        primary_key: Vec::new(),
        unique_keys: Vec::new(),
        writable: Writable { update: takes(2), insert: takes(3), delete: takes(4) },
        version_column,
    }
}

fn column(fact: &ColumnFact, types: &DataTypes<'_>) -> Column {
    let default = fact.default_sql.clone().or_else(|| types.default(fact.type_oid.0));
    Column {
        name: Identifier::known(&fact.name),
        data_type: types.data_type(fact.type_oid.0, fact.modifier, &fact.type_sql),
        comment: fact.comment.clone(),
        is_nullable: !fact.is_not_null && !types.forbids_null(fact.type_oid.0),
        default: default.filter(|_| !fact.is_generated),
        is_generated: fact.is_generated,
        is_secret: false,
        is_personal: false,
    }
}

/// A table's or view's column.
type Place = (u32, i16);

/// The table's column behind each view's column that shows one, through any number of views.
fn roots(facts: &Facts) -> BTreeMap<Place, Place> {
    let mut next: BTreeMap<Place, Place> = BTreeMap::new();
    for view in &facts.views {
        for shown in shown_columns(&view.action) {
            next.insert((view.view.0, shown.place), (shown.relation, shown.column));
        }
    }
    let root = |place: &Place| {
        std::iter::successors(next.get(place), |place| next.get(place)).take(next.len()).last().copied()
    };
    next.keys().filter_map(|place| Some((*place, root(place)?))).collect()
}

/// By table: itself, if it is served, and every served view that shows something of it.
fn showing(
    ids: &HashMap<u32, RelationId>,
    columns_of: &HashMap<u32, Vec<&ColumnFact>>,
    roots: &BTreeMap<Place, Place>,
) -> HashMap<u32, Vec<Showing>> {
    let mut showing: HashMap<u32, Vec<Showing>> = HashMap::new();
    let mut served: Vec<(&u32, &RelationId)> = ids.iter().collect();
    served.sort_by_key(|(_, id)| **id);
    for (oid, id) in served {
        for (place, fact) in columns_of.get(oid).into_iter().flatten().enumerate() {
            let (table, column) = *roots.get(&(*oid, fact.place)).unwrap_or(&(*oid, fact.place));
            let of_table = showing.entry(table).or_default();
            if of_table.last().is_none_or(|last| last.relation != *id) {
                of_table.push(Showing { relation: *id, columns: HashMap::new() });
            }
            if let Some(last) = of_table.last_mut() {
                last.columns.entry(column).or_insert(ColumnId::at(place));
            }
        }
    }
    showing
}

/// Marks secret and personal columns, and what only PostgreSQL writes, in tables and in the views that show them.
fn mark_columns(
    facts: &Facts,
    ids: &HashMap<u32, RelationId>,
    columns_of: &HashMap<u32, Vec<&ColumnFact>>,
    roots: &BTreeMap<Place, Place>,
    relations: &mut [Relation],
) {
    // Of refused relations too: a served view may show what they hold.
    let mut marks: HashMap<Place, (bool, bool)> = HashMap::new();
    for tag in &facts.tags {
        let is_tagged = |fact: &&RelationFact| fact.schema == tag.schema && fact.name == tag.table;
        let Some(table) = facts.relations.iter().find(is_tagged) else { continue };
        let of_table = columns_of.get(&table.oid.0).into_iter().flatten();
        for column in of_table.filter(|column| column.name == tag.column) {
            let (is_secret, is_personal) = marks.entry((table.oid.0, column.place)).or_default();
            *is_secret |= tag.is_secret;
            *is_personal |= !tag.is_secret;
        }
    }
    let generated: BTreeSet<Place> = facts
        .columns
        .iter()
        .filter(|column| column.is_generated)
        .map(|column| (column.relation.0, column.place))
        .collect();
    for (oid, id) in ids {
        let relation = &mut relations[id.place()];
        for (column, fact) in relation.columns.iter_mut().zip(columns_of.get(oid).into_iter().flatten()) {
            let root = roots.get(&(*oid, fact.place)).copied().unwrap_or((*oid, fact.place));
            let (is_secret, is_personal) = marks.get(&root).copied().unwrap_or_default();
            (column.is_secret, column.is_personal) = (is_secret, is_personal);
            column.is_generated = generated.contains(&root);
        }
    }
}

/// Gives each table its keys, and each view the primary keys that it shows.
fn find_keys(facts: &Facts, showing: &HashMap<u32, Vec<Showing>>, relations: &mut [Relation]) {
    for index in &facts.unique_indexes {
        for shown in showing.get(&index.relation.0).into_iter().flatten() {
            let Some(columns) = shown.all(&index.columns) else { continue };
            let relation = &mut relations[shown.relation.place()];
            let is_view = matches!(relation.kind, RelationKind::View | RelationKind::MaterializedView);
            if index.is_primary {
                relation.primary_key.extend(columns);
            } else if !is_view {
                relation.unique_keys.push(columns);
            }
            if is_view {
                relation.primary_key.sort();
                relation.primary_key.dedup();
            }
        }
    }
}

fn function<'a>(
    fact: &FunctionFact,
    types: &DataTypes<'_>,
    ids: &HashMap<u32, RelationId>,
    described: impl Fn(u32) -> &'a [&'a ColumnFact],
) -> Function {
    let (mut arguments, mut given) = (Vec::new(), Vec::new());
    for (place, (oid, sql)) in fact.argument_types.iter().zip(&fact.argument_sql).enumerate() {
        let mode =
            fact.argument_modes.as_ref().and_then(|modes| modes.get(place)).map_or("i", String::as_str);
        let name = fact.argument_names.as_ref().and_then(|names| names.get(place)).map_or("", String::as_str);
        let (name, data_type) = (Identifier::known(name), types.data_type(oid.0, -1, sql));
        if matches!(mode, "o" | "b" | "t") {
            given.push(Column {
                name: name.clone(),
                data_type: data_type.clone(),
                comment: None,
                is_nullable: true,
                default: None,
                is_generated: false,
                is_secret: false,
                is_personal: false,
            });
        }
        if matches!(mode, "i" | "b" | "v") {
            arguments.push(Argument { name, data_type, is_optional: false, is_variadic: mode == "v" });
        }
    }
    let default_count = usize::try_from(fact.default_count).unwrap_or(0); // never negative
    arguments.iter_mut().rev().take(default_count).for_each(|argument| argument.is_optional = true);
    let is_set = fact.returns_set;
    let data_type = types.data_type(fact.return_type.0, -1, &fact.return_sql);
    let returns = match (given.is_empty(), ids.get(&fact.return_relation.0)) {
        (false, _) => Returns::Record { columns: given, is_set },
        (true, Some(relation)) => Returns::Rows { relation: *relation, is_set },
        (true, None) if fact.return_relation.0 != 0 => {
            let columns = described(fact.return_relation.0).iter().map(|fact| column(fact, types)).collect();
            Returns::Record { columns, is_set }
        }
        (true, None) if &*data_type.base == "void" || fact.is_procedure => Returns::Void,
        (true, None) => Returns::Value { data_type, is_set },
    };
    Function {
        schema: Identifier::known(&fact.schema),
        name: Identifier::known(&fact.name),
        comment: fact.comment.clone(),
        arguments,
        returns,
        is_volatile: fact.is_volatile,
        is_procedure: fact.is_procedure,
    }
}
