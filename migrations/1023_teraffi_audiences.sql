-- What a viewer is shown of a match is what the policies of 1020 let him read: audiences say the same as they do.

set local search_path = teraffi, public;

-- A principal is held by a member: member:<id> by himself; partner:<id> by the active partners of a partnership, who
-- share what their profiles show to partners; partnership:<id> by those of them who may view its details, and so know
-- who is in it; manager:<id> by who asks for a brand he works for or a content he makes. operator:<principal> is held,
-- as <principal>, where the operator's people ask for the member: they know his partnerships when he may not.
create or replace view affinity_members as
    select
        m.id,
        m.subscription_tier,
        m.created_at,
        p.name, p.title, p.company, p.industry, p.location, p.bio, p.company_size, p.annual_revenue,
        p.target_markets, p.brand_values, p.partnership_types, p.profile_visibility,
        p.updated_at as profile_updated_at,
        held.circle
            || array(
                select case when 'view_details' = any (pm.permissions) then 'partnership:' else 'operator:partnership:' end
                    || pm.partnership_id
                from partnership_members pm
                where pm.member_id = m.id and pm.is_active
                order by pm.partnership_id)
            || array(select 'manager:' || b.brand_id from member_brands b where b.member_id = m.id order by b.brand_id)
            || array(select 'manager:' || c.content_id from member_contents c where c.member_id = m.id order by c.content_id)
            as principals,
        case p.profile_visibility
            when 'public' then array['everyone']
            when 'network' then array['members']
            when 'partnership' then held.circle
            else array['member:' || m.id]
        end as audience
    from members m
    join member_profiles p on p.member_id = m.id
    cross join lateral (
        select array['member:' || m.id] || array(
            select 'partner:' || pm.partnership_id
            from partnership_members pm
            where pm.member_id = m.id and pm.is_active
            order by pm.partnership_id
        ) as circle
        offset 0  -- Worked out once a member: without the fence the planner copies it to each place that reads it.
    ) as held
    where m.status = 'active' and m.email_verified;

-- TER-33: how well a partnership did is for who may view its analytics; an edge has one audience, so it says so only
-- where all of its readers may.
alter view affinity_edges rename to affinity_edge_facts;
comment on view affinity_edge_facts is 'The edges of affinity_edges with all that is known of them.';
create view affinity_edges as
    select e.relation, e.source, e.target, e.origin,
        case when told.is_withheld then 0 else e.weight end as weight, e.at,
        case when told.is_withheld then e.attributes - 'success_score' else e.attributes end as attributes,
        e.audience, e.anchor_table, e.anchor_id
    from affinity_edge_facts e
    cross join lateral (
        select e.relation = 'PARTNERS_WITH' and exists (
            select from partnership_members pm
            where pm.partnership_id = e.anchor_id and pm.is_active
                and 'view_details' = any (pm.permissions) and 'view_analytics' <> all (pm.permissions)
        ) as is_withheld
    ) as told;
comment on view affinity_edges is
    'TER-39, TER-43, TER-44: the 16 relations of the source''s graph, and CO_WORKS_WITH (TER-M1). Symmetric ones are listed once.';

insert into affinity.touches (platform, table_name, anchor_table, sql) values
    ('teraffi', 'member_brands', 'members', $$select ($1 ->> 'member_id')::uuid$$),
    ('teraffi', 'member_contents', 'members', $$select ($1 ->> 'member_id')::uuid$$);
