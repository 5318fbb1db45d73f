-- What the engine sees of teraffi. Times come from the data alone: a matcher that needs "now" gets it as as_of.
-- Each branch has a constant anchor_table and a plain column as anchor_id, so that projecting some anchors again
-- looks up an index of one branch.

set local search_path = teraffi, public;

-- TER-04, TER-M1: only active members with a verified address are listed or recommended; the profile names them.
-- TER-06: who may read the profile is who may read the node. A principal partnership:<id> is held by its active members.
create view affinity_members as
    select
        m.id,
        m.subscription_tier,
        m.created_at,
        p.name, p.title, p.company, p.industry, p.location, p.bio, p.company_size, p.annual_revenue,
        p.target_markets, p.brand_values, p.partnership_types, p.profile_visibility,
        p.updated_at as profile_updated_at,
        held.principals,
        case p.profile_visibility
            when 'public' then array['everyone']
            when 'network' then array['members']
            when 'partnership' then held.principals
            else array['member:' || m.id]
        end as audience
    from members m
    join member_profiles p on p.member_id = m.id
    cross join lateral (
        select array['member:' || m.id] || array(
            select 'partnership:' || pm.partnership_id
            from partnership_members pm
            where pm.member_id = m.id and pm.is_active
            order by pm.partnership_id
        ) as principals
        offset 0  -- Worked out once a member: without the fence the planner copies it to each place that reads it.
    ) as held
    where m.status = 'active' and m.email_verified;
comment on view affinity_members is 'Members that the engine knows, with their audience (TER-04, TER-06, TER-M1).';

-- TER-14: an invitation that was not accepted is not a membership; who left a partnership before its end is no
-- partner any more, but what was completed stays part of his record.
create view affinity_partners as
    select p.id as partnership_id, a.member_id, b.member_id as partner_id,
        p.partnership_type, p.status, p.stage, p.total_value, p.currency, p.start_date, p.end_date, p.created_at,
        (
            -- success_score, scale 0-5 (TER-D10).
            select s.performance_score
            from partnership_analytics s
            where s.partnership_id = p.id and s.performance_score is not null
            order by s.measurement_date desc limit 1
        ) as success_score
    from partnerships p
    join partnership_members a on a.partnership_id = p.id and (a.is_active or p.status = 'completed' and a.left_at is not null)
    join partnership_members b on b.partnership_id = p.id and (b.is_active or p.status = 'completed' and b.left_at is not null)
        and a.member_id < b.member_id;
comment on view affinity_partners is 'Pairs of members of a partnership, each once, with its state and success (TER-44, TER-D05).';

create view affinity_nodes as
    select 'Member' as kind, m.id::text as id,
        jsonb_strip_nulls(jsonb_build_object(
            'name', m.name,
            'title', m.title,
            'company', m.company,
            'industry', m.industry,
            'location', m.location,
            'company_size', m.company_size,
            'annual_revenue', m.annual_revenue,
            'profile_visibility', m.profile_visibility,
            'subscription_tier', m.subscription_tier,
            'type', t.type,
            'target_markets', affinity.json_tags(m.target_markets),
            'brand_values', affinity.json_tags(m.brand_values),
            'partnership_types', affinity.json_tags(m.partnership_types::text[]),
            'reputation', r.overall_score,
            'reputation_count', r.completed_partnerships,
            'success_rate', r.partnership_success_rate,
            'member_since', affinity.json_time(coalesce(r.member_since, m.created_at)),
            'last_active', affinity.json_time(greatest(
                m.profile_updated_at,
                (select max(g.updated_at) from member_goals g where g.member_id = m.id),
                (select max(s.updated_at) from user_sessions s where s.member_id = m.id))),
            'business_verified', case when exists (
                select from member_verifications v
                where v.member_id = m.id and v.verification_type = 'business' and v.status = 'approved')
                then 'yes' else 'no' end,
            'blacklisted', case when exists (
                select from feature_flags f
                where f.flag_name = 'affinity_recommendations' and m.id = any (f.member_blacklist))
                then 'yes' else 'no' end
        )) as attributes,
        m.audience, m.principals, 'members' as anchor_table, m.id as anchor_id
    from affinity_members m
    left join member_types t on t.member_id = m.id
    left join member_reputation r on r.member_id = m.id
    union all
    select 'Brand', b.id::text,
        jsonb_strip_nulls(jsonb_build_object(
            'name', b.name,
            'industry', b.industry,
            'market_cap', b.market_cap,
            'description', b.description,
            'target_demographics', affinity.json_tags(b.target_demographics),
            'brand_values', affinity.json_tags(b.brand_values),
            'regions', affinity.json_tags(array(
                select r.name from brand_regions br join regions r on r.id = br.region_id
                where br.brand_id = b.id order by r.name))
        )),
        array['everyone'], array[]::text[], 'brands', b.id
    from brands b
    union all
    select 'Content', c.id::text,
        jsonb_strip_nulls(jsonb_build_object(
            'title', c.title,
            'type', c.type,
            'genre', c.genre,
            'style', c.style,
            'description', c.description,
            'audience_size', c.audience_size,
            'primary_demographics', affinity.json_tags(c.primary_demographics)
        )),
        array['everyone'], array[]::text[], 'contents', c.id
    from contents c
    union all
    select 'Trend', t.id::text,
        jsonb_strip_nulls(jsonb_build_object(
            'name', t.name,
            'category', t.category,
            'description', t.description,
            'momentum_score', t.momentum_score,
            'growth_rate', t.growth_rate,
            'relevance_keywords', affinity.json_tags(t.relevance_keywords)
        )),
        array['everyone'], array[]::text[], 'trends', t.id
    from trends t
    union all
    select 'Geographic', r.id::text,
        jsonb_strip_nulls(jsonb_build_object(
            'name', r.name,
            'type', r.type,
            'market_size', r.market_size,
            'regulatory_environment', r.regulatory_environment
        )),
        array['everyone'], array[]::text[], 'regions', r.id
    from regions r
    union all
    select 'Demographic', d.id::text,
        jsonb_strip_nulls(jsonb_build_object(
            'segment', d.segment,
            'age_range', d.age_range,
            'characteristics', affinity.json_tags(d.characteristics),
            'size', d.size
        )),
        array['everyone'], array[]::text[], 'demographics', d.id
    from demographics d;
comment on view affinity_nodes is 'TER-39: six node kinds with the properties of the source''s graph.';

create view affinity_edges as
    select 'HAS_AFFINITY_WITH' as relation, e.member_id::text as source, e.trend_id::text as target, null::text as origin,
        e.strength::float8 as weight, e.last_calculated as at, '{}'::jsonb as attributes, array['members'] as audience,
        'member_trend_affinities' as anchor_table, e.member_id as anchor_id
    from member_trend_affinities e
    union all
    select 'ALIGNS_WITH', e.brand_id::text, e.trend_id::text, null, e.alignment_score::float8, null, '{}', array['everyone'],
        'brand_trend_alignments', e.brand_id
    from brand_trend_alignments e
    union all
    select 'APPEALS_TO', e.content_id::text, e.demographic_id::text, null, e.engagement_rate::float8, null, '{}', array['everyone'],
        'content_demographic_appeals', e.content_id
    from content_demographic_appeals e
    union all
    select 'WORKS_FOR', e.member_id::text, e.brand_id::text, null, 1, null, '{}', array['members'],
        'member_brands', e.member_id
    from member_brands e
    union all
    select 'CREATES', e.member_id::text, e.content_id::text, null, 1, null, '{}', array['members'],
        'member_contents', e.member_id
    from member_contents e
    union all
    -- TER-M3: log-scaled; the largest amount that the column holds is 1.
    select 'SPONSORS', e.brand_id::text, e.content_id::text, e.id::text,
        (log(1 + e.amount) / 10)::float8, coalesce(e.starts_on::timestamp at time zone 'UTC', e.created_at),
        jsonb_strip_nulls(jsonb_build_object(
            'amount', e.amount,
            'currency', e.currency,
            'duration', e.duration,
            'starts_on', affinity.json_time(e.starts_on::timestamp at time zone 'UTC'),
            'ends_on', affinity.json_time(e.ends_on::timestamp at time zone 'UTC'))),
        array['everyone'], 'brand_content_sponsorships', e.brand_id
    from brand_content_sponsorships e
    union all
    select 'TARGETS', e.brand_id::text, e.demographic_id::text, null, 1, null, '{}', array['everyone'],
        'brand_demographic_targets', e.brand_id
    from brand_demographic_targets e
    union all
    select 'OPERATES_IN', e.brand_id::text, e.region_id::text, null, 1, null, '{}', array['everyone'],
        'brand_regions', e.brand_id
    from brand_regions e
    union all
    -- TER-M1: weighs success_score / 5, and only what was completed. Exclusions and paths ask for the status.
    select 'PARTNERS_WITH', e.member_id::text, e.partner_id::text, e.partnership_id::text,
        case when e.status = 'completed' then coalesce(e.success_score / 5, 0) else 0 end::float8,
        coalesce(e.start_date, e.created_at),
        jsonb_strip_nulls(jsonb_build_object(
            'partnership_type', e.partnership_type,
            'status', e.status,
            'stage', e.stage,
            'success_score', e.success_score,
            'total_value', e.total_value,
            'currency', e.currency,
            'start_date', affinity.json_time(e.start_date),
            'end_date', affinity.json_time(e.end_date))),
        array['partnership:' || e.partnership_id], 'partnerships', e.partnership_id
    from affinity_partners e
    union all
    select 'INFLUENCES', e.trend_id::text, e.demographic_id::text, null, 1, null, '{}', array['everyone'],
        'trend_demographic_influences', e.trend_id
    from trend_demographic_influences e
    union all
    select 'EMERGES_IN', e.trend_id::text, e.region_id::text, null, 1, null, '{}', array['everyone'],
        'trend_regions', e.trend_id
    from trend_regions e
    union all
    select 'REFLECTS', e.content_id::text, e.trend_id::text, null, 1, null, '{}', array['everyone'],
        'content_trends', e.content_id
    from content_trends e
    union all
    select 'CAPITALIZES_ON', e.brand_id::text, e.trend_id::text, null, 1, null, '{}', array['everyone'],
        'brand_trend_capitalizations', e.brand_id
    from brand_trend_capitalizations e
    union all
    select 'SIMILAR_TO', e.member_id::text, e.similar_member_id::text, null, e.similarity_score::float8, null,
        jsonb_strip_nulls(jsonb_build_object('basis', e.basis)), array['members'],
        'member_similarities', e.member_id
    from member_similarities e
    union all
    select 'COMPETES_WITH', e.brand_id::text, e.competitor_id::text, null, e.market_overlap::float8, null, '{}', array['everyone'],
        'brand_competitors', e.brand_id
    from brand_competitors e
    union all
    select 'SIMILAR_CONTENT', e.content_id::text, e.similar_content_id::text, null, e.content_similarity::float8, null, '{}',
        array['everyone'], 'content_similarities', e.content_id
    from content_similarities e
    union all
    -- TER-M1: co-workspace 0.3. Beyond the source's 16 relations; read by the workspace's members who are active partners.
    select 'CO_WORKS_WITH', a.member_id::text, b.member_id::text, w.id::text, 0.3, greatest(a.joined_at, b.joined_at), '{}',
        readers.audience, 'collaboration_workspaces', w.id
    from collaboration_workspaces w
    join workspace_members a on a.workspace_id = w.id
    join workspace_members b on b.workspace_id = w.id and a.member_id < b.member_id
    cross join lateral (
        select array(
            select 'member:' || wm.member_id
            from workspace_members wm
            join partnership_members pm
                on pm.partnership_id = w.partnership_id and pm.member_id = wm.member_id and pm.is_active
            where wm.workspace_id = w.id
            order by wm.member_id
        ) as audience
    ) as readers
    where cardinality(readers.audience) > 0;
comment on view affinity_edges is
    'TER-39, TER-43, TER-44: the 16 relations of the source''s graph, and CO_WORKS_WITH (TER-M1). Symmetric ones are listed once.';

-- TER-50, with the inputs that TER-D08 names. Goals are given for matching only: nobody but their owner reads them.
create view affinity_texts as
    select 'Member' as kind, m.id::text as id, t.space, t.text, t.audience, 'members' as anchor_table, m.id as anchor_id
    from affinity_members m
    cross join lateral (values
        ('member_profile', concat_ws('. ', m.title, m.company, m.bio), m.audience),
        ('member_goals', (
            select string_agg(concat_ws('. ', replace(g.type::text, '_', ' '), g.title, g.description), E'\n' order by g.created_at, g.id)
            from member_goals g
            where g.member_id = m.id and g.status = 'active'
        ), array['member:' || m.id]),
        ('member_industry', concat_ws('. ', m.industry, nullif(array_to_string(m.partnership_types, ', '), '')), m.audience),
        ('member_values', concat_ws('. ', nullif(array_to_string(m.brand_values, ', '), ''), nullif(array_to_string(m.target_markets, ', '), '')), m.audience)
    ) as t(space, text, audience)
    where t.text <> ''
    union all
    select 'Content', c.id::text, 'content',
        concat_ws('. ', c.title, c.description, c.type, c.genre, c.style, nullif(array_to_string(c.primary_demographics, ', '), '')),
        array['everyone'], 'contents', c.id
    from contents c
    union all
    select 'Trend', t.id::text, 'trend',
        concat_ws('. ', t.name, t.category, t.description, nullif(array_to_string(t.relevance_keywords, ', '), '')),
        array['everyone'], 'trends', t.id
    from trends t
    union all
    select 'Brand', b.id::text, 'brand',
        concat_ws('. ', b.name, b.industry, b.description, nullif(array_to_string(b.brand_values, ', '), ''), nullif(array_to_string(b.target_demographics, ', '), '')),
        array['everyone'], 'brands', b.id
    from brands b;
comment on view affinity_texts is 'TER-50, TER-D08: what is embedded, one text per node and space.';

-- Labels of TER-M1, TER-M2 and TER-M3 in [0, 1].
create view affinity_outcomes as
    -- TER-M1, both ways: 1 completed with success above 4.0, 0 completed without it, cancelled or disputed; open ones
    -- are graded by the stage reached, below 1. Completed but never measured says nothing.
    select 'partners' as matcher, pair.source::text as source, pair.target::text as target,
        case
            when e.status = 'completed' then case when e.success_score > 4.0 then 1 else 0 end
            when e.status in ('cancelled', 'disputed') then 0
            else (array_position(enum_range(null::partnership_stage_enum), e.stage) - 1) / 7.0
        end::float8 as label,
        e.created_at as at
    from affinity_partners e
    cross join lateral (values (e.member_id, e.partner_id), (e.partner_id, e.member_id)) as pair(source, target)
    where e.status <> 'completed' or e.success_score is not null
    union all
    -- TER-M2: a member came to execution with somebody of the brand, or it was called off before.
    select 'opportunities', pair.source::text, w.brand_id::text,
        max(case when e.stage in ('execution', 'performance_tracking', 'completion') then 1 else 0 end)::float8,
        min(e.created_at)
    from affinity_partners e
    cross join lateral (values (e.member_id, e.partner_id), (e.partner_id, e.member_id)) as pair(source, target)
    join member_brands w on w.member_id = pair.target
    where e.partnership_type in ('brand_sponsorship', 'co_marketing', 'licensing')
        and (e.status = 'cancelled' or e.stage in ('execution', 'performance_tracking', 'completion'))
        and not exists (select from member_brands own where own.member_id = pair.source and own.brand_id = w.brand_id)
    group by pair.source, w.brand_id
    union all
    -- TER-M3: a sponsorship, weighted by what the brand's partnerships with the content's makers returned:
    -- roi / (1 + roi), one half where nothing was measured.
    select 'sponsorships', s.brand_id::text, s.content_id::text, coalesce((
            select avg(greatest(newest.roi_current, 0) / (1 + greatest(newest.roi_current, 0)))
            from (
                select distinct e.partnership_id
                from member_contents maker
                join affinity_partners e on maker.member_id in (e.member_id, e.partner_id)
                join member_brands w on w.member_id in (e.member_id, e.partner_id) and w.member_id <> maker.member_id
                where maker.content_id = s.content_id and w.brand_id = s.brand_id
            ) as joint
            cross join lateral (
                select a.roi_current from partnership_analytics a
                where a.partnership_id = joint.partnership_id and a.roi_current is not null
                order by a.measurement_date desc limit 1
            ) as newest
        ), 0.5)::float8,
        s.created_at
    from brand_content_sponsorships s;
comment on view affinity_outcomes is 'What became of past matches: labels of TER-M1, TER-M2 and TER-M3.';

-- TER-42 as TER-D05 mends it: a partnership counts once per trend, however many of its pairs share the trend.
create function success_patterns()
    returns table (trend_id uuid, trend varchar, avg_success numeric, partnership_count bigint)
    language sql stable
begin atomic
    select t.id, t.name, avg(shared.success_score), count(*)
    from (
        select distinct e.partnership_id, e.success_score, a.trend_id
        from teraffi.affinity_partners e
        join teraffi.member_trend_affinities a on a.member_id = e.member_id
        join teraffi.member_trend_affinities b on b.member_id = e.partner_id and b.trend_id = a.trend_id
        where e.status = 'completed' and e.success_score > 4.0
    ) as shared
    join teraffi.trends t on t.id = shared.trend_id
    group by t.id, t.name
    order by 3 desc, 4 desc, 1;
end;
comment on function success_patterns() is 'TER-42: trends shared by both sides of partnerships that went well, best average first.';
