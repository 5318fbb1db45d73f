-- Vectors made from texts, kept so that a text is embedded once per model.

create table affinity.vectors (
    platform text not null,
    kind text not null,
    id text not null,
    space text not null,
    model text not null,
    text_hash bytea not null,
    vector real[] not null,
    primary key (platform, kind, id, space)
);
comment on table affinity.vectors is 'Embedded texts: text_hash is of the text that model made the vector from, so that only what changed is embedded again.';
-- Vectors are rewritten whole and do not compress.
alter table affinity.vectors alter column vector set storage external;
