-- Which text of a matcher is served. A file's text is registered when it is first served; a fit adds another; nothing
-- is served instead of the file's before a person activates it, and what was served before can be had back.

create table affinity.matcher_versions (
    platform text not null references affinity.platforms on delete cascade,
    matcher text not null,
    version text not null,
    toml text not null,
    origin text not null check (origin in ('file', 'fit')),
    fitted_from text,
    report jsonb,
    created_at timestamptz not null default now(),
    primary key (platform, matcher, version),
    foreign key (platform, matcher, fitted_from) references affinity.matcher_versions,
    check ((origin = 'fit') = (fitted_from is not null))
);
comment on table affinity.matcher_versions is
    'Texts of matchers by the hash that answers name. fitted_from: the version whose weights a fit started at; report: its quality before and after.';
create index matcher_versions_fitted_from_idx on affinity.matcher_versions (platform, matcher, fitted_from);

create table affinity.matcher_activations (
    id bigint generated always as identity primary key,
    platform text not null,
    matcher text not null,
    version text not null,
    activated_at timestamptz not null default now(),
    activated_by text not null default current_user,
    foreign key (platform, matcher, version) references affinity.matcher_versions on delete cascade
);
comment on table affinity.matcher_activations is 'Who had which version served, when: the newest row of a matcher is in force, and a rollback is one more row.';
create index matcher_activations_matcher_idx on affinity.matcher_activations (platform, matcher, id desc);
create index matcher_activations_version_idx on affinity.matcher_activations (platform, matcher, version);

create view affinity.active_matchers as
    select distinct on (a.platform, a.matcher) a.platform, a.matcher, a.version, v.toml, v.origin, v.fitted_from, a.activated_at
    from affinity.matcher_activations a
    join affinity.matcher_versions v using (platform, matcher, version)
    order by a.platform, a.matcher, a.id desc;
comment on view affinity.active_matchers is 'The version of each matcher that was activated last; a matcher without one is served from its file.';

create function affinity.notify_activation() returns trigger
    language plpgsql
as $function$
begin
    perform pg_notify('affinity_matchers', new.platform);
    return null;
end
$function$;
comment on function affinity.notify_activation() is 'Tells running servers on channel affinity_matchers, with the platform, that another version is to be served.';

create trigger affinity_notify after insert on affinity.matcher_activations
    for each row execute function affinity.notify_activation();
