-- What the source draws only in its graph (TER-39, TER-43, TER-44, TER-D07): PostgreSQL is the truth, so each node
-- kind and each relation with data of its own has a table. PARTNERS_WITH is projected from partnerships.

set local search_path = teraffi, public;

create table brands (
    id uuid primary key default gen_random_uuid(),
    name varchar(255) not null,
    industry varchar(100),
    market_cap varchar(50),
    description text,
    target_demographics text[] not null default '{}',
    brand_values text[] not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table brands is 'Node kind Brand.';
create index idx_brands_name on brands (name);

create table contents (
    id uuid primary key default gen_random_uuid(),
    title varchar(255) not null,
    type varchar(50),
    genre varchar(100),
    style varchar(100),
    description text,
    audience_size bigint check (audience_size >= 0),
    primary_demographics text[] not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table contents is 'Node kind Content.';

create table trends (
    id uuid primary key default gen_random_uuid(),
    name varchar(255) not null unique,
    category varchar(100),
    description text,
    momentum_score numeric(5,4) check (momentum_score between 0 and 1),
    growth_rate numeric(7,4),
    relevance_keywords text[] not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table trends is 'Node kind Trend.';

create table regions (
    id uuid primary key default gen_random_uuid(),
    name varchar(255) not null unique,
    type varchar(50),
    market_size varchar(50),
    regulatory_environment varchar(50),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table regions is 'Node kind Geographic.';

create table demographics (
    id uuid primary key default gen_random_uuid(),
    segment varchar(100) not null unique,
    age_range varchar(20),
    characteristics text[] not null default '{}',
    size bigint check (size >= 0),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on table demographics is 'Node kind Demographic.';

create table member_types (
    member_id uuid primary key references members (id) on delete cascade,
    type varchar(50) not null,
    created_at timestamptz not null default now()
);
comment on table member_types is 'The graph''s Member.type, which no column of the source held (TER-D10): brand_professional, content_creator, agency, distributor, platform_owner.';

create table member_trend_affinities (
    member_id uuid not null references members (id) on delete cascade,
    trend_id uuid not null references trends (id) on delete cascade,
    strength numeric(5,4) not null check (strength between 0 and 1),
    last_calculated timestamptz not null default now(),
    created_at timestamptz not null default now(),
    primary key (member_id, trend_id)
);
comment on table member_trend_affinities is 'Relation HAS_AFFINITY_WITH (TER-43).';
create index idx_member_trend_affinities_trend_id on member_trend_affinities (trend_id);

create table brand_trend_alignments (
    brand_id uuid not null references brands (id) on delete cascade,
    trend_id uuid not null references trends (id) on delete cascade,
    alignment_score numeric(5,4) not null check (alignment_score between 0 and 1),
    created_at timestamptz not null default now(),
    primary key (brand_id, trend_id)
);
comment on table brand_trend_alignments is 'Relation ALIGNS_WITH.';
create index idx_brand_trend_alignments_trend_id on brand_trend_alignments (trend_id);

create table content_demographic_appeals (
    content_id uuid not null references contents (id) on delete cascade,
    demographic_id uuid not null references demographics (id) on delete cascade,
    engagement_rate numeric(5,4) not null check (engagement_rate between 0 and 1),
    created_at timestamptz not null default now(),
    primary key (content_id, demographic_id)
);
comment on table content_demographic_appeals is 'Relation APPEALS_TO.';
create index idx_content_demographic_appeals_demographic_id on content_demographic_appeals (demographic_id);

create table member_brands (
    member_id uuid not null references members (id) on delete cascade,
    brand_id uuid not null references brands (id) on delete cascade,
    created_at timestamptz not null default now(),
    primary key (member_id, brand_id)
);
comment on table member_brands is 'Relation WORKS_FOR.';
create index idx_member_brands_brand_id on member_brands (brand_id);

create table member_contents (
    member_id uuid not null references members (id) on delete cascade,
    content_id uuid not null references contents (id) on delete cascade,
    created_at timestamptz not null default now(),
    primary key (member_id, content_id)
);
comment on table member_contents is 'Relation CREATES.';
create index idx_member_contents_content_id on member_contents (content_id);

create table brand_content_sponsorships (
    id uuid primary key default gen_random_uuid(),
    brand_id uuid not null references brands (id) on delete cascade,
    content_id uuid not null references contents (id) on delete cascade,
    amount numeric(12,2) not null check (amount > 0),
    currency currency_enum not null default 'USD',
    duration varchar(50),
    starts_on date,
    ends_on date check (ends_on >= starts_on),
    created_at timestamptz not null default now(),
    check (currency <> 'JPY' or amount = trunc(amount))
);
comment on table brand_content_sponsorships is 'Relation SPONSORS; a brand may sponsor a content again.';
create index idx_brand_content_sponsorships_brand_id on brand_content_sponsorships (brand_id);
create index idx_brand_content_sponsorships_content_id on brand_content_sponsorships (content_id);

create table brand_demographic_targets (
    brand_id uuid not null references brands (id) on delete cascade,
    demographic_id uuid not null references demographics (id) on delete cascade,
    created_at timestamptz not null default now(),
    primary key (brand_id, demographic_id)
);
comment on table brand_demographic_targets is 'Relation TARGETS.';
create index idx_brand_demographic_targets_demographic_id on brand_demographic_targets (demographic_id);

create table brand_regions (
    brand_id uuid not null references brands (id) on delete cascade,
    region_id uuid not null references regions (id) on delete cascade,
    created_at timestamptz not null default now(),
    primary key (brand_id, region_id)
);
comment on table brand_regions is 'Relation OPERATES_IN.';
create index idx_brand_regions_region_id on brand_regions (region_id);

create table trend_demographic_influences (
    trend_id uuid not null references trends (id) on delete cascade,
    demographic_id uuid not null references demographics (id) on delete cascade,
    created_at timestamptz not null default now(),
    primary key (trend_id, demographic_id)
);
comment on table trend_demographic_influences is 'Relation INFLUENCES.';
create index idx_trend_demographic_influences_demographic_id on trend_demographic_influences (demographic_id);

create table trend_regions (
    trend_id uuid not null references trends (id) on delete cascade,
    region_id uuid not null references regions (id) on delete cascade,
    created_at timestamptz not null default now(),
    primary key (trend_id, region_id)
);
comment on table trend_regions is 'Relation EMERGES_IN.';
create index idx_trend_regions_region_id on trend_regions (region_id);

create table content_trends (
    content_id uuid not null references contents (id) on delete cascade,
    trend_id uuid not null references trends (id) on delete cascade,
    created_at timestamptz not null default now(),
    primary key (content_id, trend_id)
);
comment on table content_trends is 'Relation REFLECTS.';
create index idx_content_trends_trend_id on content_trends (trend_id);

create table brand_trend_capitalizations (
    brand_id uuid not null references brands (id) on delete cascade,
    trend_id uuid not null references trends (id) on delete cascade,
    created_at timestamptz not null default now(),
    primary key (brand_id, trend_id)
);
comment on table brand_trend_capitalizations is 'Relation CAPITALIZES_ON.';
create index idx_brand_trend_capitalizations_trend_id on brand_trend_capitalizations (trend_id);

create table member_similarities (
    member_id uuid not null references members (id) on delete cascade,
    similar_member_id uuid not null references members (id) on delete cascade,
    similarity_score numeric(5,4) not null check (similarity_score between 0 and 1),
    basis varchar(100),
    created_at timestamptz not null default now(),
    primary key (member_id, similar_member_id),
    -- Symmetric: each pair is kept once.
    check (member_id < similar_member_id)
);
comment on table member_similarities is 'Relation SIMILAR_TO.';
create index idx_member_similarities_similar_member_id on member_similarities (similar_member_id);

create table brand_competitors (
    brand_id uuid not null references brands (id) on delete cascade,
    competitor_id uuid not null references brands (id) on delete cascade,
    market_overlap numeric(5,4) not null check (market_overlap between 0 and 1),
    created_at timestamptz not null default now(),
    primary key (brand_id, competitor_id),
    -- Symmetric: each pair is kept once.
    check (brand_id < competitor_id)
);
comment on table brand_competitors is 'Relation COMPETES_WITH.';
create index idx_brand_competitors_competitor_id on brand_competitors (competitor_id);

create table content_similarities (
    content_id uuid not null references contents (id) on delete cascade,
    similar_content_id uuid not null references contents (id) on delete cascade,
    content_similarity numeric(5,4) not null check (content_similarity between 0 and 1),
    created_at timestamptz not null default now(),
    primary key (content_id, similar_content_id),
    -- Symmetric: each pair is kept once.
    check (content_id < similar_content_id)
);
comment on table content_similarities is 'Relation SIMILAR_CONTENT.';
create index idx_content_similarities_similar_content_id on content_similarities (similar_content_id);
