-- How projection views write values that have more than one spelling in JSON.

create function affinity.json_time(moment timestamptz) returns text
    language sql stable strict parallel safe
return to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
comment on function affinity.json_time(timestamptz) is 'RFC 3339 in UTC, whatever the time zone of the session.';

create function affinity.json_tags(items text[]) returns jsonb
    language sql stable parallel safe
return case when cardinality(array_remove(items, null)) > 0 then to_jsonb(array_remove(items, null)) end;
comment on function affinity.json_tags(text[]) is 'A list of tags without nulls; null, hence absent, when empty.';
