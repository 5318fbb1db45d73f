-- Rules as rows: what a platform wants of its tables is data here; affinity.attach(platform) reads it and
-- makes the triggers. Each mechanism is one trigger function.

create table affinity.transitions (
    id bigint generated always as identity primary key,
    platform text not null references affinity.platforms on delete cascade,
    table_name name not null,
    column_name name not null,
    from_state text,
    to_state text not null,
    guard text,
    requires text,
    unique nulls not distinct (platform, table_name, column_name, from_state, to_state),
    check ((guard is null) = (requires is null))
);
comment on table affinity.transitions is
    'State machines. from_state null: to_state is allowed in a new row. guard: SQL condition over the rows "new" and "old" (old is all null in an insert); requires: the guard in words.';

create table affinity.updated_at (
    platform text not null references affinity.platforms on delete cascade,
    table_name name not null,
    primary key (platform, table_name)
);
comment on table affinity.updated_at is 'Tables whose column updated_at follows every change of a row.';

create table affinity.audit_targets (
    platform text primary key references affinity.platforms on delete cascade,
    table_name name not null,
    columns jsonb not null
);
comment on table affinity.audit_targets is
    'Where a platform keeps its audit trail: a fact (entity_type, entity_id, action, old_values, new_values, changes, performed_by, ip_address, user_agent, session_id, metadata, reason) to the column that holds it.';

create table affinity.audited (
    platform text not null references affinity.platforms on delete cascade,
    table_name name not null,
    entity_type text not null,
    entity_id_column name not null default 'id',
    actions jsonb not null default '{}',
    primary key (platform, table_name)
);
comment on table affinity.audited is
    'Tables whose changes enter the audit trail. actions: {column: {state: action}} for states that have an action of their own; else created, updated, deleted.';

create table affinity.append_only (
    platform text not null references affinity.platforms on delete cascade,
    table_name name not null,
    refused text[] not null default '{update,delete,truncate}'
        check (refused <@ '{update,delete,truncate}' and cardinality(refused) > 0),
    primary key (platform, table_name)
);
comment on table affinity.append_only is 'Tables whose rows, once written, are refused these operations.';

create table affinity.column_tags (
    platform text not null references affinity.platforms on delete cascade,
    table_name name not null,
    column_name name not null,
    tag text not null check (tag in ('secret', 'personal', 'encrypted')),
    primary key (platform, table_name, column_name, tag)
);
comment on table affinity.column_tags is 'secret: never selectable, never in feed or audit. personal: drives export, erasure and retention. encrypted: kept encrypted at rest.';

create table affinity.touches (
    platform text not null references affinity.platforms on delete cascade,
    table_name name not null,
    anchor_table text not null,
    sql text not null,
    columns name[] not null default '{}',
    primary key (platform, table_name, anchor_table)
);
comment on table affinity.touches is
    'Which anchors a changed row touches: sql takes the row as $1 (jsonb: its key, foreign key and "columns" columns, old and new each) and returns anchor ids. A table that a projection view reads must have a row here.';

create function affinity.primary_key(table_id regclass) returns name[]
    language sql stable strict
return (
    select array_agg(a.attname order by array_position(c.conkey::int2[], a.attnum))
    from pg_constraint c
    join pg_attribute a on a.attrelid = c.conrelid and a.attnum = any (c.conkey)
    where c.conrelid = table_id and c.contype = 'p'
);
comment on function affinity.primary_key(regclass) is 'The primary key columns of a table in order, null without one.';

create function affinity.kept_columns(platform_name text, table_id regclass) returns name[]
    language sql stable strict
return (
    select array_agg(a.attname order by a.attnum)
    from pg_attribute a
    join pg_class t on t.oid = a.attrelid
    where a.attrelid = table_id and a.attnum > 0 and not a.attisdropped
        and (
            exists (
                select from pg_constraint c
                where c.conrelid = table_id and c.contype in ('p', 'f') and a.attnum = any (c.conkey))
            or exists (
                select from affinity.touches
                where touches.platform = platform_name and touches.table_name = t.relname
                    and a.attname = any (touches.columns))
        )
        and not exists (
            select from affinity.column_tags tag
            where tag.platform = platform_name and tag.table_name = t.relname
                and tag.column_name = a.attname and tag.tag = 'secret')
);
comment on function affinity.kept_columns(text, regclass) is 'The columns of a row that the change feed keeps: keys, foreign keys and what touches names, without secrets.';

create function affinity.row_expression(columns name[]) returns text
    language sql immutable strict
return (
    select 'jsonb_build_object(' || string_agg(format('%L, r.%I', name, name), ', ' order by position) || ')'
    from unnest(columns) with ordinality as c(name, position)
);
comment on function affinity.row_expression(name[]) is 'SQL that makes a JSON object of these columns of a row called "r".';

create function affinity.set_updated_at() returns trigger
    language plpgsql
as $function$
begin
    new.updated_at := now();
    return new;
end
$function$;
comment on function affinity.set_updated_at() is 'The trigger behind affinity.updated_at.';

-- After the row is written, so that the guard sees what every other trigger made of it.
create function affinity.enforce_transition() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, affinity, pg_temp
as $function$
declare
    platform_name constant text := tg_argv[0];
    state_column constant name := tg_argv[1];
    from_value text;
    to_value text := to_jsonb(new) ->> state_column;
    rule affinity.transitions;
    holds boolean;
    allowed text;
begin
    if tg_op = 'UPDATE' then
        from_value := to_jsonb(old) ->> state_column;
    end if;
    select t.* into rule from affinity.transitions t
    where t.platform = platform_name and t.table_name = tg_table_name and t.column_name = state_column
        and t.from_state is not distinct from from_value and t.to_state = to_value;
    if not found then
        select string_agg(format('"%s"', t.to_state), ', ' order by t.to_state) into allowed
        from affinity.transitions t
        where t.platform = platform_name and t.table_name = tg_table_name and t.column_name = state_column
            and t.from_state is not distinct from from_value;
        raise exception '%', case
                when tg_op = 'INSERT' then format('column "%s" of "%s" cannot start as %s',
                    state_column, tg_table_name, coalesce(format('"%s"', to_value), 'null'))
                else format('column "%s" of "%s" cannot go from %s to %s', state_column, tg_table_name,
                    coalesce(format('"%s"', from_value), 'null'), coalesce(format('"%s"', to_value), 'null'))
            end
            using errcode = 'check_violation', schema = tg_table_schema, table = tg_table_name,
                column = state_column, constraint = 'affinity_transition',
                detail = 'allowed: ' || coalesce(allowed, 'nothing, this state is final');
    end if;
    if rule.guard is not null then
        if tg_op = 'UPDATE' then
            execute format('select (%s) from (select ($1).*) as new, (select ($2).*) as old', rule.guard)
                into holds using new, old;
        else
            execute format('select (%s) from (select ($1).*) as new, (select (null::%I.%I).*) as old',
                rule.guard, tg_table_schema, tg_table_name) into holds using new;
        end if;
        if holds is not true then
            raise exception 'column "%" of "%" cannot become "%" yet', state_column, tg_table_name, to_value
                using errcode = 'check_violation', schema = tg_table_schema, table = tg_table_name,
                    column = state_column, constraint = 'affinity_transition_guard',
                    detail = 'required: ' || rule.requires;
        end if;
    end if;
    return null;
end
$function$;
comment on function affinity.enforce_transition() is 'The trigger behind affinity.transitions: a check_violation names table, column, states and what is allowed.';

create function affinity.setting(name text) returns text
    language sql stable strict
return nullif(current_setting('affinity.' || name, true), '');
comment on function affinity.setting(text) is 'A setting of the request (actor, ip_address, user_agent, session_id, reason), null when unset.';

create function affinity.write_audit() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, affinity, pg_temp
as $function$
declare
    -- Arguments, made by affinity.attach: platform, entity type, entity id column, {column: {state: action}}, secret columns.
    actions constant jsonb := tg_argv[3];
    secrets constant text[] := tg_argv[4];
    secret text;
    target affinity.audit_targets;
    old_values jsonb;
    new_values jsonb;
    differences jsonb;
    action text;
    facts jsonb;
begin
    if tg_op <> 'INSERT' then
        old_values := to_jsonb(old);
    end if;
    if tg_op <> 'DELETE' then
        new_values := to_jsonb(new);
    end if;
    if tg_op = 'UPDATE' then
        select jsonb_object_agg(n.key, case
                when n.key = any (secrets) then jsonb_build_object('old', '[secret]', 'new', '[secret]')
                else jsonb_build_object('old', old_values -> n.key, 'new', n.value)
            end)
        into differences
        from jsonb_each(new_values) n
        where n.value is distinct from old_values -> n.key;
        if differences is null then
            return null;
        end if;
    end if;
    select coalesce(
            max(machine.states ->> (new_values ->> machine.column_name))
                filter (where new_values -> machine.column_name is distinct from old_values -> machine.column_name),
            case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end)
    into action
    from jsonb_each(actions) as machine(column_name, states)
    where tg_op = 'UPDATE';
    foreach secret in array secrets loop
        if old_values ->> secret is not null then
            old_values := jsonb_set(old_values, array[secret], '"[secret]"');
        end if;
        if new_values ->> secret is not null then
            new_values := jsonb_set(new_values, array[secret], '"[secret]"');
        end if;
    end loop;
    facts := jsonb_build_object(
        'entity_type', tg_argv[1],
        'entity_id', coalesce(new_values, old_values) -> tg_argv[2],
        'action', action,
        'old_values', old_values,
        'new_values', new_values,
        'changes', differences,
        'performed_by', affinity.setting('actor'),
        'ip_address', affinity.setting('ip_address'),
        'user_agent', affinity.setting('user_agent'),
        'session_id', affinity.setting('session_id'),
        'metadata', jsonb_build_object('table', tg_table_name),
        'reason', affinity.setting('reason'));
    select t.* into strict target from affinity.audit_targets t where t.platform = tg_argv[0];
    execute (
        select format('insert into %1$I.%2$I (%3$s) select %3$s from jsonb_populate_record(null::%1$I.%2$I, $1)',
            tg_table_schema, target.table_name, string_agg(quote_ident(mapped.value), ', ' order by mapped.key))
        from jsonb_each_text(target.columns) mapped)
    using (
        select jsonb_object_agg(mapped.value, facts -> mapped.key) from jsonb_each_text(target.columns) mapped);
    return null;
end
$function$;
comment on function affinity.write_audit() is 'The trigger behind affinity.audited: one row per changed row in the platform''s own audit table, secrets masked.';

create function affinity.refuse_change() returns trigger
    language plpgsql
as $function$
begin
    raise exception 'table "%" is append-only: % is refused', tg_table_name, lower(tg_op)
        using errcode = 'restrict_violation', schema = tg_table_schema, table = tg_table_name,
            constraint = 'affinity_append_only';
end
$function$;
comment on function affinity.refuse_change() is 'The trigger behind affinity.append_only.';

create view affinity.rule_columns as
    select 'transitions' as rule, platform, table_name, column_name from affinity.transitions
    union select 'updated_at', platform, table_name, 'updated_at' from affinity.updated_at
    union select 'audited', platform, table_name, entity_id_column from affinity.audited
    union select 'audited', platform, table_name, jsonb_object_keys(actions)::name from affinity.audited
    union select 'audit_targets', t.platform, t.table_name, c.value::name
        from affinity.audit_targets t, jsonb_each_text(t.columns) c
    union select 'append_only', platform, table_name, null from affinity.append_only
    union select 'column_tags', platform, table_name, column_name from affinity.column_tags
    union select 'touches', t.platform, t.table_name, c
        from affinity.touches t left join unnest(t.columns) c on true;
comment on view affinity.rule_columns is 'Every table and column that a rule names; column_name null when it names only the table.';

create function affinity.attach(platform_name text) returns void
    language plpgsql
    set search_path = pg_catalog, affinity, pg_temp
as $function$
declare
    platform_schema name;
    fault text;
    target record;
    machine record;
    kept text;
    key text;
    key_columns name[];
begin
    select schema_name into platform_schema from affinity.platforms where name = platform_name;
    if not found then
        raise exception 'platform "%" is not in affinity.platforms', platform_name using errcode = 'undefined_object';
    end if;
    select string_agg(format('%s: "%s"', r.rule, concat_ws('.', r.table_name, r.column_name)), ', ') into fault
    from affinity.rule_columns r
    where r.platform = platform_name and not exists (
        select from pg_class t
        left join pg_attribute a on a.attrelid = t.oid and a.attname = r.column_name
        where t.relnamespace = platform_schema::text::regnamespace and t.relname = r.table_name and t.relkind in ('r', 'p')
            and (r.column_name is null or a.attname is not null));
    if fault is not null then
        raise exception 'rules of "%" name what does not exist: %', platform_name, fault using errcode = 'undefined_column';
    end if;

    for target in
        select t.oid::regclass as id, t.relname as name
        from pg_class t
        where t.relnamespace = platform_schema::text::regnamespace and t.relkind in ('r', 'p') and not t.relispartition
        order by t.relname
    loop
        for machine in
            select tgname as name from pg_trigger
            where tgrelid = target.id and not tgisinternal and tgname like 'affinity\_%'
        loop
            execute format('drop trigger %I on %s', machine.name, target.id);
        end loop;

        -- The audit trail is a log already: feeding its rows would double every audited write.
        if not exists (select from affinity.audit_targets a where a.platform = platform_name and a.table_name = target.name) then
            key_columns := affinity.primary_key(target.id);
            if key_columns is null then
                raise exception 'table "%" has no primary key, its changes cannot be told', target.id using errcode = 'invalid_table_definition';
            end if;
            key := affinity.row_expression(key_columns);
            kept := affinity.row_expression(affinity.kept_columns(platform_name, target.id));
            execute format('create trigger affinity_changes_insert after insert on %s referencing new table as new_rows
                for each statement execute function affinity.capture_change(%L, %L, %L)', target.id, platform_name, key, kept);
            execute format('create trigger affinity_changes_update after update on %s referencing old table as old_rows new table as new_rows
                for each statement execute function affinity.capture_change(%L, %L, %L)', target.id, platform_name, key, kept);
            execute format('create trigger affinity_changes_delete after delete on %s referencing old table as old_rows
                for each statement execute function affinity.capture_change(%L, %L, %L)', target.id, platform_name, key, kept);
            execute format('create trigger affinity_changes_truncate after truncate on %s
                for each statement execute function affinity.capture_change(%L)', target.id, platform_name);
        end if;

        if exists (select from affinity.updated_at u where u.platform = platform_name and u.table_name = target.name) then
            execute format('create trigger affinity_updated_at before update on %s
                for each row when (old.* is distinct from new.*) execute function affinity.set_updated_at()', target.id);
        end if;

        for machine in
            select distinct column_name as name from affinity.transitions t
            where t.platform = platform_name and t.table_name = target.name
        loop
            execute format('create trigger %I after insert on %s
                for each row execute function affinity.enforce_transition(%L, %L)',
                'affinity_transition_' || machine.name || '_insert', target.id, platform_name, machine.name);
            execute format('create trigger %I after update on %s
                for each row when (old.%I is distinct from new.%I) execute function affinity.enforce_transition(%L, %L)',
                'affinity_transition_' || machine.name || '_update', target.id, machine.name, machine.name, platform_name, machine.name);
        end loop;

        for machine in
            select a.entity_type, a.entity_id_column, a.actions, array(
                select tag.column_name::text from affinity.column_tags tag
                where tag.platform = platform_name and tag.table_name = target.name and tag.tag = 'secret'
                order by 1) as secrets
            from affinity.audited a where a.platform = platform_name and a.table_name = target.name
        loop
            execute format('create trigger affinity_audit after insert or update or delete on %s
                for each row execute function affinity.write_audit(%L, %L, %L, %L, %L)',
                target.id, platform_name, machine.entity_type, machine.entity_id_column, machine.actions, machine.secrets);
        end loop;

        for machine in
            select unnest(a.refused) as operation from affinity.append_only a
            where a.platform = platform_name and a.table_name = target.name
        loop
            execute format('create trigger %I before %s on %s
                for each statement execute function affinity.refuse_change()',
                'affinity_append_only_' || machine.operation, machine.operation, target.id);
        end loop;
    end loop;
end
$function$;
comment on function affinity.attach(text) is
    'Makes the triggers that the rule rows of a platform ask for, replacing those of an earlier call; a rule that names a missing table or column is an error.';

-- TRUNCATE touches every anchor of a table, told as anchor_id null.
create function affinity.touched_anchors(platform_name text, from_snapshot pg_snapshot, to_snapshot pg_snapshot)
    returns table (anchor_table text, anchor_id uuid)
    language plpgsql stable strict
as $function$
declare
    change record;
begin
    for change in
        select t.anchor_table, t.sql, c.changed, c.truncated
        from (
            select b.table_name,
                array_agg(r.kept) filter (where r.kept is not null) as changed,
                bool_or(b.operation = 'T') as truncated
            from affinity.changes_between(platform_name, from_snapshot, to_snapshot) b
            left join lateral (select b.old_row union select b.new_row) as r(kept) on true
            group by b.table_name
        ) c
        join affinity.touches t on t.platform = platform_name and t.table_name = c.table_name
    loop
        if change.truncated then
            anchor_table := change.anchor_table;
            anchor_id := null;
            return next;
        end if;
        return query execute format(
            'select distinct $2, touched.id from unnest($1) as changed(kept), lateral (%s) as touched(id) where touched.id is not null',
            regexp_replace(change.sql, '\$1\M', 'changed.kept', 'g'))
        using change.changed, change.anchor_table;
    end loop;
end
$function$;
comment on function affinity.touched_anchors(text, pg_snapshot, pg_snapshot) is
    'The anchors to project again to go from one feed position to another; may repeat. anchor_id null: all of that anchor_table (truncate). Error AF001 as changes_between.';

