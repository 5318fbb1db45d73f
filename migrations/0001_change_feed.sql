-- The change feed: every write leaves a row in affinity.changes, in its own transaction.
--
-- A position in the feed is a pg_snapshot, not a number: ids are handed out before commit, so a reader
-- that remembers the highest id it saw would skip a writer that started early and committed late.
-- What is visible in a later snapshot and not in an earlier one is exactly what committed in between.

create schema affinity;

comment on schema affinity is 'Mechanisms that platforms opt into with rows; no platform has triggers of its own for what is here.';

create table affinity.platforms (
    name text primary key check (name ~ '^[a-z][a-z0-9_]*$'),
    schema_name name not null unique,
    title text not null
);
comment on table affinity.platforms is 'One row per platform; its tables live in schema_name.';

create table affinity.changes (
    id bigint generated always as identity primary key,
    transaction_id xid8 not null default pg_current_xact_id(),
    platform text not null,
    table_name name not null,
    operation text not null check (operation in ('I', 'U', 'D', 'T')),
    key jsonb,
    old_row jsonb,
    new_row jsonb,
    changed_at timestamptz not null default clock_timestamp(),
    check ((operation = 'T') = (key is null)),
    check ((old_row is not null) = (operation in ('U', 'D'))),
    check ((new_row is not null) = (operation in ('I', 'U')))
);
comment on table affinity.changes is
    'The feed. operation: I, U, D or T (truncate, without key). old_row and new_row hold only key, foreign key and anchor columns, never a secret.';

create index changes_transaction_idx on affinity.changes (transaction_id, platform);

-- Statement-level with transition tables: one insert per statement, however many rows it wrote.
-- Arguments, made by affinity.attach: platform, expression of the key, expression of the kept columns;
-- both expressions read a row called "r".
create function affinity.capture_change() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, affinity, pg_temp
as $function$
begin
    if tg_op = 'TRUNCATE' then
        insert into affinity.changes (platform, table_name, operation)
        values (tg_argv[0], tg_table_name, 'T');
    elsif tg_op = 'INSERT' then
        execute format(
            'insert into affinity.changes (platform, table_name, operation, key, new_row)
             select $1, $2, ''I'', %s, %s from new_rows r', tg_argv[1], tg_argv[2])
        using tg_argv[0], tg_table_name;
    elsif tg_op = 'DELETE' then
        execute format(
            'insert into affinity.changes (platform, table_name, operation, key, old_row)
             select $1, $2, ''D'', %s, %s from old_rows r', tg_argv[1], tg_argv[2])
        using tg_argv[0], tg_table_name;
    else
        -- A changed primary key is told as what it is to a reader: the old key gone, the new one come.
        execute format(
            'insert into affinity.changes (platform, table_name, operation, key, old_row, new_row)
             select $1, $2,
                    case when o.key is null then ''I'' when n.key is null then ''D'' else ''U'' end,
                    coalesce(n.key, o.key), o.kept, n.kept
             from (select %1$s as key, %2$s as kept from old_rows r) o
             full join (select %1$s as key, %2$s as kept from new_rows r) n on o.key = n.key',
            tg_argv[1], tg_argv[2])
        using tg_argv[0], tg_table_name;
    end if;
    -- PostgreSQL sends equal notifications of one transaction once.
    perform pg_notify('affinity_changes', tg_argv[0]);
    return null;
end
$function$;
comment on function affinity.capture_change() is 'Appends what a statement changed to affinity.changes and notifies channel affinity_changes with the platform.';

-- Trimming. A position is behind when it misses something that was trimmed. Snapshots of one cluster are
-- ordered by inclusion, so what is trimmed is "all that this old snapshot saw", and the test is exact.
create table affinity.feed_marks (
    taken_at timestamptz primary key default clock_timestamp(),
    snapshot pg_snapshot not null default pg_current_snapshot()
);
comment on table affinity.feed_marks is 'Snapshots taken at each trim, so that a later trim knows what is older than its interval.';

create table affinity.feed_horizon (
    only_row boolean primary key default true check (only_row),
    snapshot pg_snapshot not null,
    trimmed_at timestamptz not null default clock_timestamp()
);
comment on table affinity.feed_horizon is 'The newest snapshot whose changes were trimmed; empty while nothing was. A position that does not include it must rebuild.';

create function affinity.snapshot_includes(later pg_snapshot, earlier pg_snapshot) returns boolean
    language sql immutable strict parallel safe
return pg_snapshot_xmax(earlier) <= pg_snapshot_xmax(later)
    and not exists (
        select from pg_snapshot_xip(later) as open(id)
        where pg_visible_in_snapshot(open.id, earlier)
    );
comment on function affinity.snapshot_includes(pg_snapshot, pg_snapshot) is 'Whether everything that committed before "earlier" is visible in "later".';

create function affinity.feed_position() returns pg_snapshot
    language sql stable parallel safe
return pg_current_snapshot();
comment on function affinity.feed_position() is 'The position of a reader that has seen everything visible to the calling statement.';

create function affinity.feed_reaches(from_snapshot pg_snapshot) returns boolean
    language sql stable strict
return affinity.snapshot_includes(pg_current_snapshot(), from_snapshot)
    and not exists (
        select from affinity.feed_horizon as horizon
        where not affinity.snapshot_includes(from_snapshot, horizon.snapshot)
    );
comment on function affinity.feed_reaches(pg_snapshot) is
    'Whether the feed still holds every change after this position; false when it was trimmed, or when the position comes from another cluster''s future.';

-- A transaction missing from from_snapshot is either one it saw running or one that began after it, so two
-- ranges of the index hold all candidates, and a transaction that stays open for hours costs nothing.
create function affinity.changes_between(platform_name text, from_snapshot pg_snapshot, to_snapshot pg_snapshot)
    returns setof affinity.changes
    language plpgsql stable strict
    rows 100
    -- Statistics of a table that is only appended to and trimmed are always old; by them the planner may prefer to read it whole.
    set enable_seqscan = off
    set jit = off
as $function$
begin
    if not affinity.feed_reaches(from_snapshot) then
        raise exception 'change feed of "%" does not reach back to position %', platform_name, from_snapshot
            using errcode = 'AF001', hint = 'rebuild from the views, then follow the feed from there';
    end if;
    return query
        select c.* from affinity.changes c
        where c.platform = platform_name
            and c.transaction_id >= pg_snapshot_xmax(from_snapshot)
            and c.transaction_id < pg_snapshot_xmax(to_snapshot)
            and pg_visible_in_snapshot(c.transaction_id, to_snapshot)
        union all
        select c.* from affinity.changes c
        where c.platform = platform_name
            and c.transaction_id = any (array(select pg_snapshot_xip(from_snapshot)))
            and pg_visible_in_snapshot(c.transaction_id, to_snapshot);
end
$function$;
comment on function affinity.changes_between(text, pg_snapshot, pg_snapshot) is
    'The changes visible in to_snapshot and not in from_snapshot. Error AF001 when the feed was trimmed past from_snapshot: rebuild.';

create function affinity.trim_changes(keep interval) returns bigint
    language plpgsql
as $function$
declare
    mark pg_snapshot;
    trimmed bigint := 0;
begin
    insert into affinity.feed_marks default values on conflict do nothing;
    select snapshot into mark from affinity.feed_marks
    where taken_at <= clock_timestamp() - keep
    order by taken_at desc limit 1;
    if mark is null then
        return 0;
    end if;
    delete from affinity.changes
    where transaction_id < pg_snapshot_xmax(mark) and pg_visible_in_snapshot(transaction_id, mark);
    get diagnostics trimmed = row_count;
    insert into affinity.feed_horizon (snapshot) values (mark)
    on conflict (only_row) do update set snapshot = excluded.snapshot, trimmed_at = excluded.trimmed_at
    where affinity.snapshot_includes(excluded.snapshot, feed_horizon.snapshot);
    delete from affinity.feed_marks
    where taken_at < (select max(taken_at) from affinity.feed_marks where taken_at <= clock_timestamp() - keep);
    return trimmed;
end
$function$;
comment on function affinity.trim_changes(interval) is
    'Deletes the changes that were committed at least "keep" ago, as far as an earlier call left a mark, and moves the horizon. Returns how many.';
