-- What is refused leaves no trace in the transaction that was refused it: the server notes it in one of its own.

alter table affinity.audit_targets add column refusal jsonb;
comment on column affinity.audit_targets.refusal is
    'What the row of a refused attempt says besides who attempted what: entity_type and action. The entity is who attempted it. Null: refusals leave no row.';

create function affinity.audit_refusal(platform_name text, attempt jsonb, why text) returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, affinity, pg_temp
as $function$
declare
    target affinity.audit_targets;
    platform_schema name;
begin
    select t.* into target from affinity.audit_targets t where t.platform = platform_name and t.refusal is not null;
    if not found or affinity.setting('actor') is null then
        return;
    end if;
    select p.schema_name into strict platform_schema from affinity.platforms p where p.name = platform_name;
    execute (
        select format('insert into %1$I.%2$I (%3$s) select %3$s from jsonb_populate_record(null::%1$I.%2$I, $1)',
            platform_schema, target.table_name, string_agg(quote_ident(mapped.value), ', ' order by mapped.key))
        from jsonb_each_text(target.columns) mapped)
    using (
        select jsonb_object_agg(mapped.value, facts.all_of_them -> mapped.key)
        from jsonb_each_text(target.columns) mapped,
            lateral (select target.refusal || jsonb_build_object(
                'entity_id', affinity.setting('actor'),
                'performed_by', affinity.setting('actor'),
                'ip_address', affinity.setting('ip_address'),
                'user_agent', affinity.setting('user_agent'),
                'session_id', affinity.setting('session_id'),
                'metadata', attempt,
                'reason', why)) as facts(all_of_them));
end
$function$;
comment on function affinity.audit_refusal(text, jsonb, text) is
    'One row in the platform''s audit trail about an attempt of the actor that was refused; nothing where the platform keeps none.';
revoke execute on function affinity.audit_refusal(text, jsonb, text) from public;
