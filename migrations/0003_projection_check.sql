-- What can be read off the catalog about a platform's projection views, so that start-up can refuse a view
-- that the change feed could not keep current.

create view affinity.projection_views as
    select p.name as platform, p.schema_name, v.relname as view_name, v.oid as view_id
    from affinity.platforms p
    join pg_class v on v.relnamespace = p.schema_name::text::regnamespace and v.relkind = 'v'
    where v.relname in ('affinity_nodes', 'affinity_edges', 'affinity_texts', 'affinity_outcomes');
comment on view affinity.projection_views is 'The projection views that each platform has.';

-- A view depends on relations and functions through its rewrite rule; a function with a standard body
-- (begin atomic, return) on what the body names.
create view affinity.projection_reads as
    with recursive reads as (
        select platform, view_name, 'pg_class'::regclass::oid as class_id, view_id as object_id
        from affinity.projection_views
        union
        select r.platform, r.view_name, d.refclassid, d.refobjid
        from reads r
        left join pg_rewrite rule on r.class_id = 'pg_class'::regclass and rule.ev_class = r.object_id
        join pg_depend d
            on (d.classid = 'pg_rewrite'::regclass and d.objid = rule.oid)
            or (r.class_id = 'pg_proc'::regclass and d.classid = 'pg_proc'::regclass and d.objid = r.object_id)
        where d.refclassid in ('pg_class'::regclass, 'pg_proc'::regclass)
    )
    select platform, view_name, class_id, object_id from reads;
comment on view affinity.projection_reads is 'Every relation (class_id pg_class) and function (pg_proc) that a projection view reaches.';

create function affinity.check_projection(platform_name text)
    returns table (view_name name, object text, problem text)
    language sql stable strict
begin atomic
    -- A table without a touches row: its changes would not reach the engine.
    select r.view_name, c.relname::text, 'reads a table without a row in affinity.touches'
    from affinity.projection_reads r
    join pg_class c on r.class_id = 'pg_class'::regclass and c.oid = r.object_id
    where r.platform = platform_name and c.relkind in ('r', 'p')
        and not exists (
            select from affinity.touches t
            join affinity.platforms p on p.name = t.platform
            where t.platform = platform_name and t.table_name = c.relname
                and p.schema_name::text::regnamespace = c.relnamespace)
    union all
    -- What the catalog cannot see into.
    select r.view_name, c.relname::text, 'reads a relation that no trigger can watch'
    from affinity.projection_reads r
    join pg_class c on r.class_id = 'pg_class'::regclass and c.oid = r.object_id
    where r.platform = platform_name and c.relkind in ('m', 'f')
    union all
    select r.view_name, f.oid::regprocedure::text, 'calls a function whose body the catalog cannot see into'
    from affinity.projection_reads r
    join pg_proc f on r.class_id = 'pg_proc'::regclass and f.oid = r.object_id
    where r.platform = platform_name and f.prosqlbody is null and f.provolatile <> 'i'
        and f.pronamespace <> 'pg_catalog'::regnamespace
    union all
    -- Built-in functions leave no pg_depend rows, so they are read off the stored trees.
    select distinct tree.view_name, f.oid::regprocedure::text, 'calls a function whose value is not given by the data'
    from (
        select r.view_name, rule.ev_action::text as body
        from affinity.projection_reads r
        join pg_rewrite rule on r.class_id = 'pg_class'::regclass and rule.ev_class = r.object_id
        where r.platform = platform_name
        union all
        select r.view_name, f.prosqlbody::text
        from affinity.projection_reads r
        join pg_proc f on r.class_id = 'pg_proc'::regclass and f.oid = r.object_id
        where r.platform = platform_name and f.prosqlbody is not null
    ) as tree
    cross join lateral regexp_matches(tree.body, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g') as called(id)
    join pg_proc f on f.oid = called.id[1]::oid
    where f.provolatile = 'v'
        or (f.pronamespace = 'pg_catalog'::regnamespace and (
            f.proname in ('now', 'transaction_timestamp', 'statement_timestamp', 'current_setting', 'pg_current_snapshot')
            or f.proname = 'age' and f.pronargs = 1))
    union all
    select distinct r.view_name, 'current_timestamp and its like', 'calls a function whose value is not given by the data'
    from affinity.projection_reads r
    join pg_rewrite rule on r.class_id = 'pg_class'::regclass and rule.ev_class = r.object_id
    where r.platform = platform_name and rule.ev_action::text ~ '\{SQLVALUEFUNCTION '
    order by 1, 2, 3;
end;
comment on function affinity.check_projection(text) is
    'What is wrong with the projection views of a platform, empty when nothing: a table without affinity.touches, an opaque function or relation, a value that does not come from the data (now()).';
