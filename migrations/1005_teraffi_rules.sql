-- teraffi's rules as rows; affinity.attach makes them triggers (in 1007, after the rows that the feed needs).

insert into affinity.platforms (name, schema_name, title) values ('teraffi', 'teraffi', 'TERAFFI partnership network');

-- State machines TER-57 to TER-68; from null: how a row starts.
insert into affinity.transitions (platform, table_name, column_name, from_state, to_state, guard, requires) values
    -- TER-57
    ('teraffi', 'members', 'status', null, 'active', null, null),
    ('teraffi', 'members', 'status', 'active', 'inactive', null, null),
    ('teraffi', 'members', 'status', 'active', 'suspended', null, null),
    ('teraffi', 'members', 'status', 'active', 'deleted', null, null),
    ('teraffi', 'members', 'status', 'inactive', 'active', null, null),
    ('teraffi', 'members', 'status', 'inactive', 'deleted', null, null),
    ('teraffi', 'members', 'status', 'suspended', 'active', null, null),
    ('teraffi', 'members', 'status', 'suspended', 'deleted', null, null),
    -- TER-58
    ('teraffi', 'members', 'subscription_tier', null, 'basic', null, null),
    ('teraffi', 'members', 'subscription_tier', 'basic', 'pro', null, null),
    ('teraffi', 'members', 'subscription_tier', 'basic', 'enterprise', null, null),
    ('teraffi', 'members', 'subscription_tier', 'pro', 'basic', null, null),
    ('teraffi', 'members', 'subscription_tier', 'pro', 'enterprise', null, null),
    ('teraffi', 'members', 'subscription_tier', 'enterprise', 'basic', null, null),
    ('teraffi', 'members', 'subscription_tier', 'enterprise', 'pro', null, null),
    -- TER-59
    ('teraffi', 'member_goals', 'status', null, 'active', null, null),
    ('teraffi', 'member_goals', 'status', 'active', 'completed', null, null),
    ('teraffi', 'member_goals', 'status', 'active', 'paused', null, null),
    ('teraffi', 'member_goals', 'status', 'active', 'cancelled', null, null),
    ('teraffi', 'member_goals', 'status', 'paused', 'active', null, null),
    ('teraffi', 'member_goals', 'status', 'paused', 'cancelled', null, null),
    -- TER-60
    ('teraffi', 'member_verifications', 'status', null, 'pending', null, null),
    ('teraffi', 'member_verifications', 'status', 'pending', 'approved', null, null),
    ('teraffi', 'member_verifications', 'status', 'pending', 'rejected', null, null),
    ('teraffi', 'member_verifications', 'status', 'approved', 'expired', null, null),
    -- TER-61
    ('teraffi', 'partnerships', 'status', null, 'pending', null, null),
    ('teraffi', 'partnerships', 'status', 'pending', 'active', null, null),
    ('teraffi', 'partnerships', 'status', 'pending', 'cancelled', null, null),
    ('teraffi', 'partnerships', 'status', 'active', 'completed', 'new.stage = ''completion''', 'status completed goes with stage completion (TER-62)'),
    ('teraffi', 'partnerships', 'status', 'active', 'disputed', null, null),
    ('teraffi', 'partnerships', 'status', 'active', 'cancelled', null, null),
    ('teraffi', 'partnerships', 'status', 'disputed', 'active', null, null),
    ('teraffi', 'partnerships', 'status', 'disputed', 'completed', 'new.stage = ''completion''', 'status completed goes with stage completion (TER-62)'),
    ('teraffi', 'partnerships', 'status', 'disputed', 'cancelled', null, null),
    -- TER-62
    ('teraffi', 'partnerships', 'stage', null, 'discovery', null, null),
    ('teraffi', 'partnerships', 'stage', 'discovery', 'initial_contact', null, null),
    ('teraffi', 'partnerships', 'stage', 'initial_contact', 'negotiation', null, null),
    ('teraffi', 'partnerships', 'stage', 'negotiation', 'contract_review', null, null),
    ('teraffi', 'partnerships', 'stage', 'contract_review', 'negotiation', null, null),
    ('teraffi', 'partnerships', 'stage', 'contract_review', 'execution', 'new.status in (''active'', ''completed'')', 'status active or completed from stage execution on (TER-62)'),
    ('teraffi', 'partnerships', 'stage', 'execution', 'performance_tracking', 'new.status in (''active'', ''completed'')', 'status active or completed from stage execution on (TER-62)'),
    ('teraffi', 'partnerships', 'stage', 'performance_tracking', 'execution', 'new.status in (''active'', ''completed'')', 'status active or completed from stage execution on (TER-62)'),
    ('teraffi', 'partnerships', 'stage', 'performance_tracking', 'completion', 'new.status = ''completed''', 'stage completion goes with status completed (TER-62)'),
    -- TER-63
    ('teraffi', 'partnership_milestones', 'status', null, 'pending', null, null),
    ('teraffi', 'partnership_milestones', 'status', 'pending', 'in_progress', null, null),
    ('teraffi', 'partnership_milestones', 'status', 'pending', 'overdue', null, null),
    ('teraffi', 'partnership_milestones', 'status', 'pending', 'cancelled', null, null),
    ('teraffi', 'partnership_milestones', 'status', 'in_progress', 'completed', 'new.approved_at is not null and new.approved_by is not null or new.approval_required is false', 'approved_by and approved_at, since approval_required (TER-17, TER-63)'),
    ('teraffi', 'partnership_milestones', 'status', 'in_progress', 'overdue', null, null),
    ('teraffi', 'partnership_milestones', 'status', 'in_progress', 'cancelled', null, null),
    ('teraffi', 'partnership_milestones', 'status', 'overdue', 'in_progress', null, null),
    ('teraffi', 'partnership_milestones', 'status', 'overdue', 'completed', 'new.approved_at is not null and new.approved_by is not null or new.approval_required is false', 'approved_by and approved_at, since approval_required (TER-17, TER-63)'),
    ('teraffi', 'partnership_milestones', 'status', 'overdue', 'cancelled', null, null),
    -- TER-64
    ('teraffi', 'partnership_milestones', 'payment_status', null, 'pending', null, null),
    ('teraffi', 'partnership_milestones', 'payment_status', 'pending', 'paid', null, null),
    ('teraffi', 'partnership_milestones', 'payment_status', 'pending', 'overdue', null, null),
    ('teraffi', 'partnership_milestones', 'payment_status', 'pending', 'cancelled', null, null),
    ('teraffi', 'partnership_milestones', 'payment_status', 'overdue', 'paid', null, null),
    ('teraffi', 'partnership_milestones', 'payment_status', 'overdue', 'cancelled', null, null),
    -- TER-65
    ('teraffi', 'transactions', 'status', null, 'pending', null, null),
    ('teraffi', 'transactions', 'status', 'pending', 'processing', null, null),
    ('teraffi', 'transactions', 'status', 'pending', 'cancelled', null, null),
    ('teraffi', 'transactions', 'status', 'processing', 'completed', null, null),
    ('teraffi', 'transactions', 'status', 'processing', 'failed', null, null),
    ('teraffi', 'transactions', 'status', 'failed', 'processing', null, null),
    ('teraffi', 'transactions', 'status', 'completed', 'refunded', null, null),
    -- TER-66
    ('teraffi', 'transactions', 'commission_status', null, 'pending', null, null),
    ('teraffi', 'transactions', 'commission_status', 'pending', 'calculated', null, null),
    ('teraffi', 'transactions', 'commission_status', 'calculated', 'paid', null, null),
    ('teraffi', 'transactions', 'commission_status', 'calculated', 'disputed', null, null),
    ('teraffi', 'transactions', 'commission_status', 'disputed', 'calculated', null, null),
    ('teraffi', 'transactions', 'commission_status', 'disputed', 'paid', null, null),
    ('teraffi', 'transactions', 'commission_status', 'paid', 'disputed', null, null),
    -- TER-67
    ('teraffi', 'creative_assets', 'approval_status', null, 'pending', null, null),
    ('teraffi', 'creative_assets', 'approval_status', 'pending', 'approved', null, null),
    ('teraffi', 'creative_assets', 'approval_status', 'pending', 'rejected', null, null),
    ('teraffi', 'creative_assets', 'approval_status', 'pending', 'revision_requested', null, null),
    ('teraffi', 'creative_assets', 'approval_status', 'revision_requested', 'pending', 'exists (select from teraffi.creative_assets a where a.parent_asset_id = new.id)', 'a new version uploaded, with this one as parent_asset_id (TER-67)'),
    -- TER-68
    ('teraffi', 'asset_approvals', 'status', null, 'pending', null, null),
    ('teraffi', 'asset_approvals', 'status', 'pending', 'approved', null, null),
    ('teraffi', 'asset_approvals', 'status', 'pending', 'rejected', null, null),
    ('teraffi', 'asset_approvals', 'status', 'pending', 'revision_requested', null, null),
    ('teraffi', 'asset_approvals', 'status', 'revision_requested', 'pending', null, null);

-- TER-D17: these tables had the column and nothing that set it.
insert into affinity.updated_at (platform, table_name)
select 'teraffi', unnest(array[
    'members', 'member_profiles', 'member_goals', 'member_verifications', 'auth_providers',
    'user_sessions', 'partnerships', 'partnership_members', 'partnership_milestones', 'transactions',
    'collaboration_workspaces', 'creative_assets', 'member_reputation', 'feature_flags', 'brands',
    'contents', 'trends', 'regions', 'demographics'
]::name[]);

-- TER-36: the audit trail is teraffi's own table, append-only.
insert into affinity.audit_targets (platform, table_name, columns) values ('teraffi', 'audit_logs', '{
    "entity_type": "entity_type", "entity_id": "entity_id", "action": "action", "old_values": "old_values",
    "new_values": "new_values", "changes": "changes", "performed_by": "performed_by", "ip_address": "ip_address",
    "user_agent": "user_agent", "session_id": "session_id", "metadata": "metadata", "reason": "reason"
}');

insert into affinity.audited (platform, table_name, entity_type, entity_id_column, actions) values
    ('teraffi', 'members', 'member', 'id', '{}'),
    ('teraffi', 'member_profiles', 'member', 'member_id', '{}'),
    ('teraffi', 'member_verifications', 'member', 'member_id', '{"status": {"approved": "approved", "rejected": "rejected"}}'),
    ('teraffi', 'auth_providers', 'member', 'member_id', '{}'),
    ('teraffi', 'partnerships', 'partnership', 'id', '{"status": {"completed": "completed"}}'),
    ('teraffi', 'partnership_members', 'partnership', 'partnership_id', '{}'),
    ('teraffi', 'partnership_milestones', 'milestone', 'id', '{"status": {"completed": "completed"}}'),
    ('teraffi', 'transactions', 'transaction', 'id', '{"status": {"completed": "completed"}}'),
    ('teraffi', 'commission_calculations', 'transaction', 'transaction_id', '{}'),
    ('teraffi', 'collaboration_workspaces', 'workspace', 'id', '{}'),
    ('teraffi', 'workspace_members', 'workspace', 'workspace_id', '{}'),
    ('teraffi', 'creative_assets', 'asset', 'id', '{"approval_status": {"approved": "approved", "rejected": "rejected"}}'),
    ('teraffi', 'asset_approvals', 'asset', 'asset_id', '{"status": {"approved": "approved", "rejected": "rejected"}}');

-- TER-36; TER-21: a calculation goes with its transaction and otherwise stays as written.
insert into affinity.append_only (platform, table_name, refused) values
    ('teraffi', 'audit_logs', '{update,delete,truncate}'),
    ('teraffi', 'commission_calculations', '{update,truncate}');

insert into affinity.column_tags (platform, table_name, column_name, tag)
select 'teraffi', t.table_name, c, t.tag
from (values
    ('members', 'secret', '{password_hash}'::name[]),
    ('members', 'personal', '{email}'::name[]),
    ('member_profiles', 'personal', '{name,title,company,location,bio,avatar_url,phone,website,linkedin_url,contact_preferences}'::name[]),
    ('member_goals', 'personal', '{title,description}'::name[]),
    ('member_verifications', 'personal', '{documents,notes}'::name[]),
    ('member_verifications', 'encrypted', '{documents}'::name[]),
    ('auth_providers', 'secret', '{access_token,refresh_token}'::name[]),
    ('auth_providers', 'personal', '{external_id}'::name[]),
    ('auth_providers', 'encrypted', '{access_token,refresh_token}'::name[]),
    ('user_sessions', 'secret', '{session_token}'::name[]),
    ('user_sessions', 'personal', '{ip_address,user_agent}'::name[]),
    ('partnership_members', 'personal', '{contact_person,contact_email,contact_phone}'::name[]),
    ('member_reputation', 'personal', '{overall_score,communication_score,delivery_score,collaboration_score}'::name[]),
    ('audit_logs', 'personal', '{old_values,new_values,changes,ip_address,user_agent}'::name[]),
    ('notifications', 'personal', '{title,message,data}'::name[])
) as t(table_name, tag, columns), unnest(t.columns) as c;
