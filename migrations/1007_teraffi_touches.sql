-- Which anchors a changed row of teraffi touches: one row for every table that a projection view reads, and for
-- every anchor that its rows can alter. $1 is the row before or after the change; a link that changed tells both its
-- ends itself, so each rule needs to look only from its own row outwards.

insert into affinity.touches (platform, table_name, anchor_table, sql, columns) values
    ('teraffi', 'members', 'members', $$select ($1 ->> 'id')::uuid$$, '{}'),
    ('teraffi', 'member_profiles', 'members', $$select ($1 ->> 'member_id')::uuid$$, '{}'),
    ('teraffi', 'member_goals', 'members', $$select ($1 ->> 'member_id')::uuid$$, '{}'),
    ('teraffi', 'member_verifications', 'members', $$select ($1 ->> 'member_id')::uuid$$, '{}'),
    ('teraffi', 'user_sessions', 'members', $$select ($1 ->> 'member_id')::uuid$$, '{}'),
    ('teraffi', 'member_reputation', 'members', $$select ($1 ->> 'member_id')::uuid$$, '{}'),
    ('teraffi', 'member_types', 'members', $$select ($1 ->> 'member_id')::uuid$$, '{}'),
    -- TER-M1: the members on the blacklist of the recommendation flag, before and after.
    ('teraffi', 'feature_flags', 'members',
        $$select listed::uuid from jsonb_array_elements_text(
            case when jsonb_typeof($1 -> 'member_blacklist') = 'array' then $1 -> 'member_blacklist' else '[]' end) as listed
          where $1 ->> 'flag_name' = 'affinity_recommendations'$$, '{flag_name,member_blacklist}'),

    -- A membership decides the pairs of its partnership, the principals of its member and with them the audience of
    -- a profile shown to partners (TER-06), and who reads the partnership's workspaces.
    ('teraffi', 'partnership_members', 'members', $$select ($1 ->> 'member_id')::uuid$$, '{}'),
    ('teraffi', 'partnership_members', 'partnerships', $$select ($1 ->> 'partnership_id')::uuid$$, '{}'),
    ('teraffi', 'partnership_members', 'collaboration_workspaces',
        $$select w.id from teraffi.collaboration_workspaces w where w.partnership_id = ($1 ->> 'partnership_id')::uuid$$, '{}'),
    ('teraffi', 'partnerships', 'partnerships', $$select ($1 ->> 'id')::uuid$$, '{}'),
    ('teraffi', 'partnership_analytics', 'partnerships', $$select ($1 ->> 'partnership_id')::uuid$$, '{}'),
    ('teraffi', 'collaboration_workspaces', 'collaboration_workspaces', $$select ($1 ->> 'id')::uuid$$, '{}'),
    ('teraffi', 'workspace_members', 'collaboration_workspaces', $$select ($1 ->> 'workspace_id')::uuid$$, '{}'),

    ('teraffi', 'brands', 'brands', $$select ($1 ->> 'id')::uuid$$, '{}'),
    ('teraffi', 'contents', 'contents', $$select ($1 ->> 'id')::uuid$$, '{}'),
    ('teraffi', 'trends', 'trends', $$select ($1 ->> 'id')::uuid$$, '{}'),
    ('teraffi', 'demographics', 'demographics', $$select ($1 ->> 'id')::uuid$$, '{}'),
    ('teraffi', 'regions', 'regions', $$select ($1 ->> 'id')::uuid$$, '{}'),
    -- A brand carries the names of its regions.
    ('teraffi', 'regions', 'brands', $$select br.brand_id from teraffi.brand_regions br where br.region_id = ($1 ->> 'id')::uuid$$, '{}'),
    ('teraffi', 'brand_regions', 'brands', $$select ($1 ->> 'brand_id')::uuid$$, '{}'),

    -- A relation is anchored at its table and first end, so that one new affinity projects one member's affinities
    -- again and not his profile.
    ('teraffi', 'member_trend_affinities', 'member_trend_affinities', $$select ($1 ->> 'member_id')::uuid$$, '{}'),
    ('teraffi', 'member_brands', 'member_brands', $$select ($1 ->> 'member_id')::uuid$$, '{}'),
    ('teraffi', 'member_contents', 'member_contents', $$select ($1 ->> 'member_id')::uuid$$, '{}'),
    ('teraffi', 'member_similarities', 'member_similarities', $$select ($1 ->> 'member_id')::uuid$$, '{}'),
    ('teraffi', 'brand_trend_alignments', 'brand_trend_alignments', $$select ($1 ->> 'brand_id')::uuid$$, '{}'),
    ('teraffi', 'brand_content_sponsorships', 'brand_content_sponsorships', $$select ($1 ->> 'brand_id')::uuid$$, '{}'),
    ('teraffi', 'brand_demographic_targets', 'brand_demographic_targets', $$select ($1 ->> 'brand_id')::uuid$$, '{}'),
    ('teraffi', 'brand_regions', 'brand_regions', $$select ($1 ->> 'brand_id')::uuid$$, '{}'),
    ('teraffi', 'brand_trend_capitalizations', 'brand_trend_capitalizations', $$select ($1 ->> 'brand_id')::uuid$$, '{}'),
    ('teraffi', 'brand_competitors', 'brand_competitors', $$select ($1 ->> 'brand_id')::uuid$$, '{}'),
    ('teraffi', 'content_demographic_appeals', 'content_demographic_appeals', $$select ($1 ->> 'content_id')::uuid$$, '{}'),
    ('teraffi', 'content_trends', 'content_trends', $$select ($1 ->> 'content_id')::uuid$$, '{}'),
    ('teraffi', 'content_similarities', 'content_similarities', $$select ($1 ->> 'content_id')::uuid$$, '{}'),
    ('teraffi', 'trend_demographic_influences', 'trend_demographic_influences', $$select ($1 ->> 'trend_id')::uuid$$, '{}'),
    ('teraffi', 'trend_regions', 'trend_regions', $$select ($1 ->> 'trend_id')::uuid$$, '{}');

select affinity.attach('teraffi');
