-- What of a platform's schema is not served as a table or function, and word to running servers that the
-- database's structure has changed.

create table affinity.unserved (
    platform text references affinity.platforms on delete cascade,
    name_pattern text not null,
    reason text not null,
    unique nulls not distinct (platform, name_pattern)
);
comment on table affinity.unserved is
    'Relations and functions that a platform keeps for itself, by a LIKE pattern of their name; platform null: every platform.';

insert into affinity.unserved (platform, name_pattern, reason)
values (null, 'affinity\_%', 'views that the projection reads');

create function affinity.is_unserved(in_schema name, object_name name) returns boolean
    language sql stable parallel safe
return exists (
    select from affinity.platforms p join affinity.unserved u on u.platform is null or u.platform = p.name
    where p.schema_name = in_schema and object_name like u.name_pattern
);
comment on function affinity.is_unserved(name, name) is 'Whether a relation or function of this name is kept from being served.';

create function affinity.notify_catalog() returns trigger
    language plpgsql
as $function$
begin
    notify affinity_catalog;
    return null;
end
$function$;
comment on function affinity.notify_catalog() is 'Tells running servers on channel affinity_catalog that what they serve has changed.';

create trigger affinity_notify after insert or update or delete or truncate on affinity.unserved
    for each statement execute function affinity.notify_catalog();
create trigger affinity_notify after insert or update or delete or truncate on affinity.column_tags
    for each statement execute function affinity.notify_catalog();
create trigger affinity_notify after insert or update or delete or truncate on affinity.platforms
    for each statement execute function affinity.notify_catalog();

create function affinity.notify_ddl() returns event_trigger
    language plpgsql
as $function$
begin
    if (case tg_event
        when 'sql_drop' then exists (select from pg_event_trigger_dropped_objects() d where not d.is_temporary)
        else exists (select from pg_event_trigger_ddl_commands() c where c.schema_name is distinct from 'pg_temp')
    end) then
        notify affinity_catalog;
    end if;
end
$function$;
comment on function affinity.notify_ddl() is 'As affinity.notify_catalog, after a change of structure; temporary tables do not count.';

-- Only a superuser may make one; without, servers look at pg_catalog each second.
do $block$
begin
    create event trigger affinity_catalog_changed on ddl_command_end execute function affinity.notify_ddl();
    create event trigger affinity_catalog_dropped on sql_drop execute function affinity.notify_ddl();
    alter event trigger affinity_catalog_changed enable always;
    alter event trigger affinity_catalog_dropped enable always;
exception when insufficient_privilege then
    raise notice 'event triggers cannot be made by %', current_user;
end
$block$;
