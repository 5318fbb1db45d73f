-- What people say of matches: the next answer knows it, and fits learn from it.
--
-- One table for all platforms. It reaches an engine as edges of a relation of its own per matcher, which the server
-- declares beside those of the platform, so a platform needs neither views nor matchers for it.

create table affinity.feedback (
    id uuid primary key default gen_random_uuid(),
    platform text not null references affinity.platforms on delete cascade,
    matcher text not null,
    source text not null,
    target text not null,
    action text not null check (action in ('dismiss', 'accept', 'rate')),
    rating smallint check (rating between 1 and 5),
    answer_id text,
    at timestamptz not null default now(),
    check ((action = 'rate') = (rating is not null)),
    unique (platform, matcher, source, target)
);
comment on table affinity.feedback is
    'The last word of a source about a target of a matcher. answer_id: the answer that it was said of. rating: 1 (bad) to 5 (good).';

create view affinity.feedback_edges as
    select f.platform, f.matcher, 'FEEDBACK:' || f.matcher as relation, f.source, f.target, null::text as origin,
        1::float8 as weight, f.at,
        jsonb_strip_nulls(jsonb_build_object('action', f.action, 'rating', f.rating)) as attributes,
        array['members'] as audience, 'feedback'::text as anchor_table, f.id as anchor_id
    from affinity.feedback f;
comment on view affinity.feedback_edges is 'Feedback as the projection gives it to an engine, beside a platform''s affinity_edges.';

create view affinity.feedback_outcomes as
    select f.platform, f.matcher, f.source, f.target,
        case f.action when 'accept' then 1 when 'dismiss' then 0 else (f.rating - 1) / 4.0 end::float8 as label,
        f.at
    from affinity.feedback f;
comment on view affinity.feedback_outcomes is 'Feedback as labels in [0, 1], beside a platform''s affinity_outcomes.';

-- A change is fed to the platform that the row names, where affinity.capture_change serves tables of one platform.
create function affinity.capture_feedback() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, affinity, pg_temp
as $function$
declare
    told constant affinity.feedback := case when tg_op = 'DELETE' then old else new end;
    key constant jsonb := jsonb_build_object('id', told.id);
begin
    insert into affinity.changes (platform, table_name, operation, key, old_row, new_row)
    values (told.platform, 'feedback', left(tg_op, 1), key,
        case when tg_op <> 'INSERT' then key end, case when tg_op <> 'DELETE' then key end);
    perform pg_notify('affinity_changes', told.platform);
    return null;
end
$function$;
comment on function affinity.capture_feedback() is 'Appends a row of affinity.feedback that was written to the change feed of its platform.';

create trigger affinity_changes after insert or update or delete on affinity.feedback
    for each row execute function affinity.capture_feedback();

create function affinity.refuse_truncate() returns trigger
    language plpgsql
as $function$
begin
    raise exception 'table "%" is shared by platforms: delete the rows of one instead of truncating it', tg_table_name
        using errcode = 'restrict_violation', schema = tg_table_schema, table = tg_table_name;
end
$function$;
comment on function affinity.refuse_truncate() is 'Keeps a shared table from being emptied past the change feed.';
create trigger affinity_refuse_truncate before truncate on affinity.feedback
    for each statement execute function affinity.refuse_truncate();

-- Every platform follows its feedback, those to come as well.
create function affinity.follow_feedback() returns trigger
    language plpgsql
as $function$
begin
    insert into affinity.touches (platform, table_name, anchor_table, sql)
    values (new.name, 'feedback', 'feedback', $$select ($1 ->> 'id')::uuid$$);
    return null;
end
$function$;
comment on function affinity.follow_feedback() is 'Gives a new platform the rule by which changed feedback touches its edge.';
create trigger affinity_follow_feedback after insert on affinity.platforms
    for each row execute function affinity.follow_feedback();
insert into affinity.touches (platform, table_name, anchor_table, sql)
    select name, 'feedback', 'feedback', $$select ($1 ->> 'id')::uuid$$ from affinity.platforms;

-- affinity.attach looks the tables of rules up in the platform's schema, where this one is not.
create or replace view affinity.rule_columns as
    select 'transitions' as rule, platform, table_name, column_name from affinity.transitions
    union select 'updated_at', platform, table_name, 'updated_at' from affinity.updated_at
    union select 'audited', platform, table_name, entity_id_column from affinity.audited
    union select 'audited', platform, table_name, jsonb_object_keys(actions)::name from affinity.audited
    union select 'audit_targets', t.platform, t.table_name, c.value::name
        from affinity.audit_targets t, jsonb_each_text(t.columns) c
    union select 'append_only', platform, table_name, null from affinity.append_only
    union select 'column_tags', platform, table_name, column_name from affinity.column_tags
    union select 'touches', t.platform, t.table_name, c
        from affinity.touches t left join unnest(t.columns) c on true
        where t.table_name <> 'feedback';
comment on view affinity.rule_columns is
    'Every table and column of a platform that a rule names; column_name null when it names only the table. Feedback is no table of a platform.';
