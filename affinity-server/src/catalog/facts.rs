use sqlx::postgres::types::Oid;
use sqlx::{FromRow, PgConnection};

use super::settings::PlatformSettings;

/// Everything that a catalog is made of: what PostgreSQL's own catalog says, row by row.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) platforms: Vec<(String, PlatformSettings)>,
    pub(super) relations: Vec<RelationFact>,
    pub(super) columns: Vec<ColumnFact>,
    pub(super) unique_indexes: Vec<UniqueIndexFact>,
    pub(super) foreign_keys: Vec<ForeignKeyFact>,
    pub(super) views: Vec<ViewFact>,
    pub(super) functions: Vec<FunctionFact>,
    pub(super) types: Vec<TypeFact>,
    pub(super) tags: Vec<TagFact>,
}

#[derive(Debug, FromRow)]
pub(super) struct RelationFact {
    pub(super) oid: Oid,
    pub(super) schema: String,
    pub(super) name: String,
    /// `pg_class.relkind`.
    pub(super) kind: String,
    pub(super) comment: Option<String>,
    /// Bits of `pg_relation_is_updatable`.
    pub(super) updatable: i32,
    pub(super) has_row_security: bool,
    pub(super) forces_row_security: bool,
    pub(super) has_policy: bool,
    /// Whether a view reads with the rights of who asks.
    pub(super) is_invoker: bool,
    /// Whether the platform keeps it for itself.
    pub(super) is_unserved: bool,
}

#[derive(Debug, FromRow)]
pub(super) struct ColumnFact {
    pub(super) relation: Oid,
    pub(super) place: i16,
    pub(super) name: String,
    pub(super) type_oid: Oid,
    pub(super) modifier: i32,
    pub(super) type_sql: String,
    pub(super) comment: Option<String>,
    pub(super) is_not_null: bool,
    pub(super) default_sql: Option<String>,
    pub(super) is_generated: bool,
}

#[derive(Debug, FromRow)]
pub(super) struct UniqueIndexFact {
    pub(super) relation: Oid,
    pub(super) is_primary: bool,
    pub(super) columns: Vec<i16>,
}

#[derive(Debug, FromRow)]
pub(super) struct ForeignKeyFact {
    pub(super) name: String,
    pub(super) source: Oid,
    pub(super) target: Oid,
    pub(super) source_columns: Vec<i16>,
    pub(super) target_columns: Vec<i16>,
}

#[derive(Debug, FromRow)]
pub(super) struct ViewFact {
    pub(super) view: Oid,
    pub(super) action: String,
}

#[derive(Debug, FromRow)]
pub(super) struct FunctionFact {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) comment: Option<String>,
    pub(super) is_procedure: bool,
    pub(super) is_volatile: bool,
    pub(super) returns_set: bool,
    /// Whether it says that it returns one row.
    pub(super) returns_one: bool,
    pub(super) default_count: i16,
    pub(super) return_type: Oid,
    pub(super) return_sql: String,
    /// The composite type or relation that it returns rows of, 0 when it does not.
    pub(super) return_relation: Oid,
    pub(super) argument_types: Vec<Oid>,
    pub(super) argument_sql: Vec<String>,
    /// `pg_proc.proargmodes`; `None` when all go in.
    pub(super) argument_modes: Option<Vec<String>>,
    pub(super) argument_names: Option<Vec<String>>,
}

#[derive(Debug, FromRow)]
pub(super) struct TypeFact {
    pub(super) oid: Oid,
    pub(super) name: String,
    /// The type that a domain restricts, 0 for others.
    pub(super) domain_of: Oid,
    pub(super) modifier: i32,
    /// The type of an array's elements, 0 for others.
    pub(super) array_of: Oid,
    /// The relation of a row type, 0 for others.
    pub(super) relation: Oid,
    pub(super) is_not_null: bool,
    pub(super) default_sql: Option<String>,
    pub(super) labels: Vec<String>,
}

#[derive(Debug, FromRow)]
pub(super) struct TagFact {
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) column: String,
    pub(super) is_secret: bool,
}

impl Facts {
    /// Reads what there is about the schemas of `configured` and of the database's own platforms. `connection` is in
    /// a transaction, or what is read may not fit together.
    pub(super) async fn read(
        connection: &mut PgConnection,
        configured: &[(String, PlatformSettings)],
    ) -> Result<Self, sqlx::Error> {
        // With an empty path every name outside pg_catalog comes with its schema.
        sqlx::query("SELECT set_config('search_path', '', true)").execute(&mut *connection).await?;
        let platforms = platforms(connection, configured).await?;
        let served: Vec<&String> = platforms.iter().flat_map(|(_, settings)| &settings.schemas).collect();
        let callable: Vec<&String> = platforms
            .iter()
            .flat_map(|(_, settings)| settings.schemas.iter().chain(&settings.extra_search_path))
            .collect();
        let relations: Vec<RelationFact> =
            sqlx::query_as(RELATIONS).bind(&served).fetch_all(&mut *connection).await?;
        let functions: Vec<FunctionFact> =
            sqlx::query_as(FUNCTIONS).bind(&callable).fetch_all(&mut *connection).await?;
        let returned = functions.iter().map(|function| function.return_relation);
        let described: Vec<Oid> = relations.iter().map(|relation| relation.oid).chain(returned).collect();
        let columns = sqlx::query_as(COLUMNS).bind(described).fetch_all(&mut *connection).await?;
        Ok(Self {
            platforms,
            relations,
            columns,
            unique_indexes: sqlx::query_as(UNIQUE_INDEXES).fetch_all(&mut *connection).await?,
            foreign_keys: sqlx::query_as(FOREIGN_KEYS).fetch_all(&mut *connection).await?,
            views: sqlx::query_as(VIEWS).fetch_all(&mut *connection).await?,
            functions,
            types: sqlx::query_as(TYPES).fetch_all(&mut *connection).await?,
            tags: sqlx::query_as(TAGS).fetch_all(connection).await?,
        })
    }
}

/// The platforms to serve, by name: those of `affinity.platforms` and those of the configuration, which wins.
async fn platforms(
    connection: &mut PgConnection,
    configured: &[(String, PlatformSettings)],
) -> Result<Vec<(String, PlatformSettings)>, sqlx::Error> {
    let own: Vec<(String, String)> = sqlx::query_as("SELECT name, schema_name::text FROM affinity.platforms")
        .fetch_all(connection)
        .await?;
    let mut platforms = configured.to_vec();
    for (name, schema) in own {
        if !platforms.iter().any(|(known, _)| *known == name) {
            platforms.push((name.clone(), PlatformSettings::standard()));
        }
        let of_name =
            platforms.iter_mut().filter(|(known, settings)| *known == name && settings.schemas.is_empty());
        of_name.for_each(|(_, settings)| settings.schemas.push(schema.clone()));
    }
    platforms.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(platforms)
}

const RELATIONS: &str = "
select c.oid, n.nspname::text as schema, c.relname::text as name, c.relkind::text as kind,
       obj_description(c.oid, 'pg_class') as comment,
       pg_relation_is_updatable(c.oid, true) as updatable,
       c.relrowsecurity as has_row_security, c.relforcerowsecurity as forces_row_security,
       exists (select from pg_policy p where p.polrelid = c.oid) as has_policy,
       coalesce((select bool_or(o.option_value::boolean) from pg_options_to_table(c.reloptions) o
                 where o.option_name = 'security_invoker'), false) as is_invoker,
       affinity.is_unserved(n.nspname, c.relname) as is_unserved
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any ($1) and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
order by n.nspname collate \"C\", c.relname collate \"C\"";

const COLUMNS: &str = "
select a.attrelid as relation, a.attnum as place, a.attname::text as name, a.atttypid as type_oid,
       a.atttypmod as modifier, format_type(a.atttypid, a.atttypmod) as type_sql,
       o.description as comment, a.attnotnull as is_not_null,
       case when a.attidentity = 'd' then format('nextval(%L)',
                pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname))
            when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end as default_sql,
       a.attgenerated <> '' or a.attidentity = 'a' as is_generated
from pg_attribute a
join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
left join pg_description o on o.objoid = a.attrelid and o.classoid = 'pg_class'::regclass and o.objsubid = a.attnum
where a.attrelid = any ($1) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum";

const UNIQUE_INDEXES: &str = "
select i.indrelid as relation, i.indisprimary as is_primary,
       (i.indkey::int2[])[0:i.indnkeyatts - 1] as columns
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
where i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
    and n.nspname not in ('pg_catalog', 'pg_toast', 'information_schema')
order by i.indrelid, c.relname collate \"C\"";

const FOREIGN_KEYS: &str = "
select k.conname::text as name, k.conrelid as source, k.confrelid as target,
       k.conkey as source_columns, k.confkey as target_columns
from pg_constraint k
where k.contype = 'f' and k.conparentid = 0
order by k.conrelid, k.conname collate \"C\"";

const VIEWS: &str = "
select r.ev_class as view, r.ev_action::text as action
from pg_rewrite r
join pg_class c on c.oid = r.ev_class join pg_namespace n on n.oid = c.relnamespace
where r.rulename = '_RETURN' and n.nspname not in ('pg_catalog', 'information_schema', 'affinity')
    and not affinity.is_unserved(n.nspname, c.relname)
order by r.ev_class";

const FUNCTIONS: &str = "
with p as materialized (
    select * from pg_proc f
    where f.pronamespace = any (array(select oid from pg_namespace where nspname = any ($1)))
)
select n.nspname::text as schema, p.proname::text as name, obj_description(p.oid, 'pg_proc') as comment,
       p.prokind = 'p' as is_procedure, p.provolatile = 'v' as is_volatile,
       p.proretset as returns_set, p.prorows = 1 as returns_one,
       p.pronargdefaults as default_count,
       p.prorettype as return_type, format_type(p.prorettype, null) as return_sql, t.typrelid as return_relation,
       v.types as argument_types, array(
           select format_type(u.type, null) from unnest(v.types) with ordinality as u(type, place) order by u.place
       ) as argument_sql,
       p.proargmodes::text[] as argument_modes, p.proargnames as argument_names
from p
join pg_namespace n on n.oid = p.pronamespace
join pg_type t on t.oid = p.prorettype
cross join lateral (select coalesce(p.proallargtypes, (p.proargtypes::oid[])[0:]) as types) v
where p.prokind in ('f', 'p')
    and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype, 'internal'::regtype)
    and not 'internal'::regtype::oid = any (v.types)
    and not affinity.is_unserved(n.nspname, p.proname)
    -- What only this server itself may call is nobody's to ask for.
    and (p.proacl is null or p.proowner <> (select r.oid from pg_roles r where r.rolname = current_user)
         or exists (select from aclexplode(p.proacl) g where g.grantee <> p.proowner and g.privilege_type = 'EXECUTE'))
order by n.nspname collate \"C\", p.proname collate \"C\", pg_get_function_identity_arguments(p.oid) collate \"C\"";

const TYPES: &str = "
select t.oid, t.typname::text as name, t.typbasetype as domain_of, t.typtypmod as modifier,
       case when t.typcategory = 'A' and t.typlen = -1 then t.typelem else 0 end as array_of,
       t.typrelid as relation, t.typnotnull as is_not_null, t.typdefault as default_sql,
       coalesce(e.labels, '{}') as labels
from pg_type t
join pg_namespace n on n.oid = t.typnamespace
left join (select enumtypid, array_agg(enumlabel::text order by enumsortorder) as labels from pg_enum group by enumtypid) e
    on e.enumtypid = t.oid
where n.nspname <> 'information_schema' and not (n.nspname = 'pg_catalog' and t.typrelid <> 0)";

const TAGS: &str = "
select distinct p.schema_name::text as schema, t.table_name::text as table, t.column_name::text as column,
       t.tag = 'secret' as is_secret
from affinity.column_tags t join affinity.platforms p on p.name = t.platform
where t.tag in ('secret', 'personal')";
