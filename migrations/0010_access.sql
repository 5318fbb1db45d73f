-- Who may do what, as rows: affinity.grant_access(platform) makes policies, column grants and triggers of them. No
-- platform writes a policy itself, and none is kept twice.

-- Roles belong to the cluster: the server makes them before it migrates and tells the prefix of their names.
create table affinity.roles (
    standing text primary key check (standing in ('anonymous', 'member', 'staff', 'service')),
    role_name name not null unique
);
comment on table affinity.roles is 'The database role of each standing.';
insert into affinity.roles
    select standing, coalesce(nullif(current_setting('affinity.role_prefix', true), ''), 'affinity_') || standing
    from unnest(array['anonymous', 'member', 'staff', 'service']) as standing;

create function affinity.role(standing text) returns name
    language sql stable strict
return (select r.role_name from affinity.roles r where r.standing = role.standing);
comment on function affinity.role(text) is 'The database role of a standing, null for an unknown one.';

-- A definer's function has the definer as current_user; the setting still says who asked.
create function affinity.standing() returns text
    language sql stable parallel safe
    security definer
    set search_path = pg_catalog, pg_temp
return (select r.standing from affinity.roles r where r.role_name = current_setting('role'));
comment on function affinity.standing() is 'The standing of who asks, null for the server''s own user.';

create function affinity.me() returns uuid
    language sql stable parallel safe
return (
    select case when claims.sub ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then claims.sub::uuid end
    from (select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub') as claims(sub)
);
comment on function affinity.me() is 'Who asks: the claim "sub", null when there is none or it is no UUID.';

-- The language of conditions is SQL with three words more.
create function affinity.condition_sql(condition text) returns text
    language sql immutable strict
return regexp_replace(regexp_replace(regexp_replace(condition,
    '\mme\M', '(select affinity.me())', 'g'), '\mnow\M', 'now()', 'g'), '\malways\M', 'true', 'g');
comment on function affinity.condition_sql(text) is
    'SQL of a condition on a row: "me" is who asks, "now" the transaction''s time, "always" true; they may not stand in a literal.';

create table affinity.access_predicates (
    id bigint generated always as identity,
    platform text not null references affinity.platforms on delete cascade,
    name name not null,
    arguments text not null,
    condition text not null,
    primary key (platform, name)
);
comment on table affinity.access_predicates is
    'Conditions that rules and later predicates name, each a function in schema <platform>_access: $1, $2 are its arguments, types without schema are the platform''s.';

create table affinity.access_rules (
    platform text not null references affinity.platforms on delete cascade,
    table_name name not null,
    command text not null check (command in ('select', 'insert', 'update', 'delete')),
    standing text not null references affinity.roles,
    condition text not null,
    new_condition text check (new_condition is null or command = 'update'),
    primary key (platform, table_name, command, standing)
);
comment on table affinity.access_rules is
    'What a standing may do to a table: with the rows that meet the condition; without a row here, nothing. An insert and the new row of an update are held to it as well, an update''s new row to new_condition where there is one.';

create table affinity.access_procedures (
    platform text not null references affinity.platforms on delete cascade,
    procedure_name name not null,
    standing text not null references affinity.roles,
    condition text not null,
    primary key (platform, procedure_name, standing)
);
comment on table affinity.access_procedures is
    'Who may call a function of the platform: condition over its arguments. It runs as service and asks <platform>_access.call_<name> first.';

create table affinity.frozen (
    platform text not null references affinity.platforms on delete cascade,
    table_name name not null,
    condition text not null,
    columns name[] not null check (cardinality(columns) > 0),
    primary key (platform, table_name, condition)
);
comment on table affinity.frozen is
    'Columns that nobody changes once the row meets the condition, but a procedure that thaws the table (affinity.thaw).';

alter table affinity.column_tags drop constraint column_tags_tag_check;
alter table affinity.column_tags add constraint column_tags_tag_check check (tag in (
    'secret', 'personal', 'encrypted', 'read_only', 'insert_only', 'staff_only',
    'hidden_from_anonymous', 'hidden_from_member', 'hidden_from_staff'));
comment on table affinity.column_tags is
    'secret: never selectable, never in feed or audit, written by service. personal: drives export, erasure and retention. encrypted: kept encrypted at rest. read_only: written by service. insert_only: set when inserting, then by service. staff_only: written by staff and service. hidden_from_<standing>: not selectable for it.';

alter view affinity.rule_columns rename to mechanism_columns;
comment on view affinity.mechanism_columns is 'What affinity.rule_columns says of the rules that affinity.attach makes triggers of.';
create view affinity.rule_columns as
    select rule, platform, table_name, column_name from affinity.mechanism_columns
    union select 'access_rules', platform, table_name, null from affinity.access_rules
    union select 'frozen', f.platform, f.table_name, c from affinity.frozen f, unnest(f.columns) c;
comment on view affinity.rule_columns is
    'Every table and column of a platform that a rule names; column_name null when it names only the table.';

create function affinity.granted_columns(platform_name text, table_id regclass, command text, standing text) returns name[]
    language sql stable strict
return (
    select array_agg(a.attname order by a.attnum)
    from pg_attribute a
    join pg_class t on t.oid = a.attrelid
    cross join lateral (
        select array(
            select tag.tag from affinity.column_tags tag
            where tag.platform = platform_name and tag.table_name = t.relname and tag.column_name = a.attname) as tags
    ) as tagged
    where a.attrelid = table_id and a.attnum > 0 and not a.attisdropped
        and case command
            when 'select' then not tags && array['secret', 'hidden_from_' || standing]
            else a.attgenerated = '' and a.attidentity <> 'a'
                and (standing = 'service' or a.attname not in ('created_at', 'updated_at') and not tags && array['secret', 'read_only'])
                and (standing <> 'member' or not tags && array['staff_only'])
                and (command = 'insert' or a.attname <> all (affinity.primary_key(table_id))
                    and (standing = 'service' or not tags && array['insert_only']))
        end
);
comment on function affinity.granted_columns(text, regclass, text, text) is
    'The columns that a standing may select, insert or update, null when none.';

create function affinity.thaw(table_name name) returns void
    language plpgsql
as $function$
begin
    perform set_config('affinity.thawed', coalesce(table_name, ''), true);
end
$function$;
comment on function affinity.thaw(name) is
    'Lets the calling procedure of service change frozen columns of this table until the next call, with null, ends it.';

-- Not a definer's: it asks who is writing, and what is settled is settled for each of them.
create function affinity.refuse_frozen() returns trigger
    language plpgsql
as $function$
declare
    -- Arguments, made by affinity.grant_access: condition on the old row, its columns in words, the role that may thaw.
    is_frozen boolean;
begin
    if current_user = tg_argv[2] and current_setting('affinity.thawed', true) = tg_table_name then
        return null;
    end if;
    execute format('select (%s) from (select ($1).*) as old', tg_argv[0]) into is_frozen using old;
    if is_frozen then
        raise exception 'columns % of "%" are settled', tg_argv[1], tg_table_name
            using errcode = 'check_violation', schema = tg_table_schema, table = tg_table_name, constraint = 'affinity_frozen';
    end if;
    return null;
end
$function$;
comment on function affinity.refuse_frozen() is 'The trigger behind affinity.frozen.';

create function affinity.refuse_unless(allowed boolean, what text) returns void
    language plpgsql
as $function$
begin
    if allowed is not true then
        raise exception 'permission denied for "%"', what using errcode = 'insufficient_privilege';
    end if;
end
$function$;
comment on function affinity.refuse_unless(boolean, text) is 'An error unless allowed, as PostgreSQL''s own for a missing grant.';

create function affinity.make_predicates(platform_name text, platform_schema name, access_schema name) returns void
    language plpgsql
as $function$
declare
    rule record;
begin
    execute format('create schema if not exists %I', access_schema);
    execute format('comment on schema %I is %L', access_schema,
        'Conditions of affinity.access_rules as functions: policies call them, nobody else can name them.');
    -- Where bodies find names; the functions themselves keep a path of their own.
    perform set_config('search_path', format('pg_catalog, %I, %I, pg_temp', platform_schema, access_schema), true);
    for rule in
        select p.name, p.arguments, p.condition as body
        from affinity.access_predicates p where p.platform = platform_name
        order by p.id
    loop
        execute format('create or replace function %I.%I(%s) returns boolean
            language sql stable parallel safe security definer set search_path = pg_catalog, pg_temp return %s',
            access_schema, rule.name, rule.arguments, affinity.condition_sql('(' || rule.body || ')'));
    end loop;
    for rule in
        select 'call_' || f.proname as name, pg_get_function_identity_arguments(f.oid) as arguments,
            string_agg(format('when %L then (%s)', c.standing, c.condition), ' ' order by c.standing) as body
        from affinity.access_procedures c
        join pg_proc f on f.proname = c.procedure_name and f.pronamespace = platform_schema::text::regnamespace
        where c.platform = platform_name
        group by f.oid
    loop
        execute format('create or replace function %I.%I(%s) returns boolean
            language sql stable parallel safe security definer set search_path = pg_catalog, pg_temp
            return case affinity.standing() %s else false end',
            access_schema, rule.name, rule.arguments, affinity.condition_sql(rule.body));
    end loop;
end
$function$;
comment on function affinity.make_predicates(text, name, name) is 'Makes the functions behind affinity.access_predicates and of the conditions of affinity.access_procedures.';

-- Policies hold for whoever has the role's privileges; the owner has a policy of its own, or migrations, the
-- projection and triggers that run as their owner would be subject to the others once security is forced.
create function affinity.guard_table(platform_name text, table_id regclass) returns void
    language plpgsql
as $function$
declare
    table_title constant name := (select relname from pg_class where oid = table_id);
    rule record;
begin
    execute format('alter table %s enable row level security, force row level security', table_id);
    for rule in select polname as name from pg_policy where polrelid = table_id and polname like 'access\_%' loop
        execute format('drop policy %I on %s', rule.name, table_id);
    end loop;
    for rule in select tgname as name from pg_trigger where tgrelid = table_id and tgname like 'access\_%' loop
        execute format('drop trigger %I on %s', rule.name, table_id);
    end loop;
    execute format('create policy access_owner on %s to %s using (true) with check (true)', table_id,
        (select relowner::regrole from pg_class where oid = table_id));
    if exists (select from affinity.access_rules r where r.platform = platform_name and r.table_name = table_title) then
        execute format('revoke all on table %s from public, %s', table_id,
            (select string_agg(quote_ident(role_name), ', ') from affinity.roles));
    end if;
    for rule in
        select r.command, r.standing, roles.role_name, affinity.condition_sql(r.condition) as condition,
            affinity.condition_sql(coalesce(r.new_condition, r.condition)) as new_condition,
            affinity.granted_columns(platform_name, table_id, r.command, r.standing) as columns
        from affinity.access_rules r join affinity.roles using (standing)
        where r.platform = platform_name and r.table_name = table_title
        order by r.command, r.standing
    loop
        execute format('create policy %I on %s for %s to %I %s',
            format('access_%s_%s', rule.command, rule.standing), table_id, rule.command, rule.role_name,
            concat_ws(' ',
                case when rule.command <> 'insert' then format('using (%s)', rule.condition) end,
                case when rule.command in ('insert', 'update') then format('with check (%s)', rule.new_condition) end));
        if rule.command = 'delete' then
            execute format('grant delete on %s to %I', table_id, rule.role_name);
        elsif rule.columns is not null then
            execute format('grant %s (%s) on %s to %I', rule.command,
                (select string_agg(quote_ident(c), ', ') from unnest(rule.columns) c), table_id, rule.role_name);
        end if;
    end loop;
    for rule in
        select f.condition, f.columns, row_number() over (order by f.condition) as number
        from affinity.frozen f where f.platform = platform_name and f.table_name = table_title
    loop
        execute format('create trigger %I after update on %s for each row when (%s) execute function affinity.refuse_frozen(%L, %L, %L)',
            'access_frozen_' || rule.number, table_id,
            (select string_agg(format('old.%1$I is distinct from new.%1$I', c), ' or ') from unnest(rule.columns) c),
            affinity.condition_sql(rule.condition), array_to_string(rule.columns, ', '), affinity.role('service'));
    end loop;
end
$function$;
comment on function affinity.guard_table(text, regclass) is
    'Forces row-level security on a table and makes the policies, grants and triggers that its rules ask for; one without rules is its owner''s alone.';

create function affinity.grant_access(platform_name text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $function$
declare
    platform_schema constant name := (select p.schema_name from affinity.platforms p where p.name = platform_name);
    access_schema constant name := platform_schema || '_access';
    service constant name := affinity.role('service');
    everyone constant text := (select string_agg(quote_ident(role_name), ', ') from affinity.roles);
    missing text;
    item record;
begin
    perform affinity.attach(platform_name);  -- It also refuses rules that name what does not exist.
    select string_agg(distinct quote_ident(c.procedure_name), ', ') into missing from affinity.access_procedures c
    where c.platform = platform_name and not exists (
        select from pg_proc f
        where f.proname = c.procedure_name and f.pronamespace = platform_schema::text::regnamespace and f.prosecdef);
    if missing is not null then
        raise exception 'rules of "%" name what is no function of it with security definer: %', platform_name, missing
            using errcode = 'undefined_function';
    end if;
    perform affinity.make_predicates(platform_name, platform_schema, access_schema);
    for item in
        select t.oid::regclass as id from pg_class t
        where t.relnamespace = platform_schema::text::regnamespace and t.relkind in ('r', 'p')
        order by t.relname
    loop
        perform affinity.guard_table(platform_name, item.id);
    end loop;
    execute format('grant usage on schema %I to %s', platform_schema, everyone);
    execute format('grant usage on schema affinity, %I to %I', access_schema, service);
    -- Predicates and procedures are service's: it sees every row, and is told so by policies like the others.
    execute format('grant create on schema %I, %I to %I', platform_schema, access_schema, service);
    for item in
        select f.oid::regprocedure as id, f.pronamespace = platform_schema::text::regnamespace as is_procedure,
            array(select c.standing from affinity.access_procedures c
                where c.platform = platform_name and c.procedure_name = f.proname) as standings
        from pg_proc f
        where f.pronamespace in (platform_schema::text::regnamespace, access_schema::text::regnamespace)
    loop
        if not item.is_procedure or item.standings <> '{}' then
            execute format('alter function %s owner to %I', item.id, service);
        end if;
        execute format('revoke all on function %s from public, %s', item.id, everyone);
        if not item.is_procedure then
            execute format('grant execute on function %s to %s', item.id, everyone);
        elsif item.standings <> '{}' then
            execute format('grant execute on function %s to %s', item.id,
                (select string_agg(quote_ident(r.role_name), ', ') from affinity.roles r where r.standing = any (item.standings)));
        end if;
    end loop;
    execute format('revoke create on schema %I, %I from %I', platform_schema, access_schema, service);
end
$function$;
comment on function affinity.grant_access(text) is
    'Makes the policies, grants and functions that the access rules of a platform ask for, replacing those of an earlier call.';

-- Rows in their final states: state machines would refuse them as first ones, and COPY is not for tables whose
-- security is forced on its user.
create function affinity.suspend_rules(schema_name name, table_names name[]) returns void
    language plpgsql
as $function$
declare
    table_name name;
begin
    if has_parameter_privilege('session_replication_role', 'set') then
        perform set_config('session_replication_role', 'replica', true);
        return;
    end if;
    foreach table_name in array table_names loop
        execute format('alter table %I.%I disable trigger user, no force row level security', schema_name, table_name);
    end loop;
end
$function$;
comment on function affinity.suspend_rules(name, name[]) is
    'Lets this transaction fill tables past their triggers and policies: where the user may not switch triggers off for itself, by altering the tables, which nobody else can use meanwhile.';

create function affinity.resume_rules(schema_name name, table_names name[]) returns void
    language plpgsql
as $function$
declare
    table_name name;
begin
    if has_parameter_privilege('session_replication_role', 'set') then
        perform set_config('session_replication_role', 'origin', true);
        return;
    end if;
    foreach table_name in array table_names loop
        execute format('alter table %I.%I enable trigger user', schema_name, table_name);
        if (select relrowsecurity from pg_class where oid = format('%I.%I', schema_name, table_name)::regclass) then
            execute format('alter table %I.%I force row level security', schema_name, table_name);
        end if;
    end loop;
end
$function$;
comment on function affinity.resume_rules(name, name[]) is 'Ends affinity.suspend_rules.';
