-- Vectors of two models beside each other: those that answers come from, and those still being made.

alter table affinity.vectors drop constraint vectors_pkey;
alter table affinity.vectors add primary key (platform, kind, id, space, model);

create table affinity.embedding_models (
    platform text primary key,
    model text not null,
    dimension integer not null check (dimension > 0)
);
comment on table affinity.embedding_models is 'The model whose vectors answers come from; another one takes its place when it has embedded every text.';

insert into affinity.embedding_models (platform, model, dimension)
select distinct on (platform) platform, model, max(array_length(vector, 1))
from affinity.vectors
group by platform, model
order by platform, count(*) desc, model;
