-- The twenty tables of the source (inventory.json), with its keys, defaults and index names; timestamps are
-- timestamptz. A column that decides state, access or money is not null where the source gives a default: a null
-- would pass every check and every state machine (TER-D14).

set local search_path = teraffi, public;

create table members (
    id uuid primary key default gen_random_uuid(),
    email varchar(255) not null,
    password_hash varchar(255),
    email_verified boolean not null default false,
    subscription_tier subscription_tier_enum not null default 'basic',
    status member_status_enum not null default 'active',
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    constraint members_email_key unique (email)
    -- TER-D12: password_hash is nullable for members who sign in through a provider; teraffi.check_sign_in asks for one of the two.
    -- TER-D18: the unique index on lower(email) below.
);
create index idx_members_subscription_tier on members (subscription_tier);
create index idx_members_status on members (status);
create index idx_members_created_at on members (created_at);
create unique index members_email_lower_key on members (lower(email));  -- TER-D18

create table member_profiles (
    id uuid primary key default gen_random_uuid(),
    member_id uuid not null references members (id) on delete cascade,
    name varchar(255) not null,
    title varchar(255),
    company varchar(255),
    industry varchar(100),
    location varchar(255),
    bio text,
    avatar_url varchar(500),
    company_size company_size_enum,
    annual_revenue revenue_range_enum,
    target_markets text[],
    brand_values text[],
    partnership_types partnership_type_enum[],
    phone varchar(50),
    website varchar(500),
    linkedin_url varchar(500),
    profile_visibility visibility_enum not null default 'network',
    contact_preferences jsonb not null default '{}',
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    constraint member_profiles_member_id_key unique (member_id)
);

create table member_goals (
    id uuid primary key default gen_random_uuid(),
    member_id uuid not null references members (id) on delete cascade,
    type goal_type_enum not null,
    title varchar(255) not null,
    description text,
    target_date date,
    priority priority_enum default 'medium',
    status goal_status_enum not null default 'active',
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);
create index idx_member_goals_member_id on member_goals (member_id);
create index idx_member_goals_status on member_goals (status);
create index idx_member_goals_priority on member_goals (priority);

create table member_verifications (
    id uuid primary key default gen_random_uuid(),
    member_id uuid not null references members (id) on delete cascade,
    verification_type verification_type_enum not null,
    status verification_status_enum not null default 'pending',
    documents jsonb,
    verified_by uuid references members (id),
    verified_at timestamptz,
    notes text,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    -- TER-09: nobody verifies himself.
    constraint member_verifications_verifier check (verified_by <> member_id)
);
create index idx_member_verifications_member_id on member_verifications (member_id);
create index idx_member_verifications_status on member_verifications (status);
create index idx_member_verifications_verified_by on member_verifications (verified_by);  -- TER-D17

create table auth_providers (
    id uuid primary key default gen_random_uuid(),
    member_id uuid not null references members (id) on delete cascade,
    provider auth_provider_enum not null,
    external_id varchar(255) not null,
    access_token text,
    refresh_token text,
    expires_at timestamptz,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    constraint auth_providers_unique unique (provider, external_id)
    -- TER-D13: access_token and refresh_token are tagged encrypted; only ciphertext is written here.
);
create index idx_auth_providers_member_id on auth_providers (member_id);  -- TER-D17

create table user_sessions (
    id uuid primary key default gen_random_uuid(),
    member_id uuid not null references members (id) on delete cascade,
    session_token varchar(512) not null,
    expires_at timestamptz not null,
    ip_address inet,
    user_agent text,
    is_active boolean not null default true,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    unique (session_token),
    -- TER-D13: the SHA-256 of the token in hex, never the token.
    constraint user_sessions_token_hashed check (session_token ~ '^[0-9a-f]{64}$'),
    constraint user_sessions_expiry check (expires_at > created_at)
);
create index idx_user_sessions_member_id on user_sessions (member_id);
create index idx_user_sessions_expires_at on user_sessions (expires_at);

create table partnerships (
    id uuid primary key default gen_random_uuid(),
    title varchar(255) not null,
    description text,
    partnership_type partnership_type_enum not null,
    status partnership_status_enum not null default 'pending',
    stage partnership_stage_enum not null default 'discovery',
    total_value numeric(12,2),
    currency currency_enum not null default 'USD',
    payment_structure payment_structure_enum default 'milestone_based',
    commission_rate numeric(5,4) not null default 0.08,
    start_date timestamptz,
    end_date timestamptz,
    duration_days integer,
    goals text[],
    success_metrics jsonb,
    created_by uuid not null references members (id),
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    -- TER-18
    constraint partnerships_dates check (end_date >= start_date),
    constraint partnerships_duration check (duration_days >= 0 and duration_days = extract(day from end_date - start_date)),
    -- TER-D14, TER-20
    constraint partnerships_commission_rate check (commission_rate between 0 and 1),
    constraint partnerships_total_value check (total_value >= 0),
    -- TER-23, TER-D15: JPY has no minor unit.
    constraint partnerships_whole_yen check (currency <> 'JPY' or total_value = trunc(total_value))
);
create index idx_partnerships_status on partnerships (status);
create index idx_partnerships_stage on partnerships (stage);
create index idx_partnerships_created_by on partnerships (created_by);
create index idx_partnerships_start_date on partnerships (start_date);

create table partnership_members (
    id uuid primary key default gen_random_uuid(),
    partnership_id uuid not null references partnerships (id) on delete cascade,
    member_id uuid not null references members (id) on delete cascade,
    role partnership_role_enum not null,
    permissions partnership_permission_enum[] not null default '{}',
    contact_person varchar(255),
    contact_email varchar(255),
    contact_phone varchar(50),
    joined_at timestamptz default now(),
    left_at timestamptz,
    is_active boolean not null default true,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    constraint partnership_members_unique unique (partnership_id, member_id),
    -- TER-14: who left is not active; inactive without left_at is an invitation.
    constraint partnership_members_left check (left_at is null or not is_active),
    constraint partnership_members_dates check (left_at >= joined_at)
);
create index idx_partnership_members_partnership_id on partnership_members (partnership_id);
create index idx_partnership_members_member_id on partnership_members (member_id);

create table partnership_milestones (
    id uuid primary key default gen_random_uuid(),
    partnership_id uuid not null references partnerships (id) on delete cascade,
    title varchar(255) not null,
    description text,
    due_date timestamptz,
    completed_date timestamptz,
    status milestone_status_enum not null default 'pending',
    value numeric(12,2),
    payment_status payment_status_enum not null default 'pending',
    deliverables jsonb default '[]',
    approval_required boolean not null default true,
    approved_by uuid references members (id),
    approved_at timestamptz,
    created_by uuid not null references members (id),
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    -- TER-D14
    constraint partnership_milestones_value check (value >= 0),
    constraint partnership_milestones_deliverables check (jsonb_typeof(deliverables) = 'array'),
    constraint partnership_milestones_approval check ((approved_by is null) = (approved_at is null))
);
create index idx_partnership_milestones_partnership_id on partnership_milestones (partnership_id);
create index idx_partnership_milestones_due_date on partnership_milestones (due_date);
create index idx_partnership_milestones_status on partnership_milestones (status);
create index idx_partnership_milestones_approved_by on partnership_milestones (approved_by);  -- TER-D17
create index idx_partnership_milestones_created_by on partnership_milestones (created_by);  -- TER-D17

create table transactions (
    id uuid primary key default gen_random_uuid(),
    partnership_id uuid references partnerships (id),
    milestone_id uuid references partnership_milestones (id),
    type transaction_type_enum not null,
    amount numeric(12,2) not null,
    currency currency_enum not null default 'USD',
    description text,
    status transaction_status_enum not null default 'pending',
    payment_method payment_method_enum,
    external_transaction_id varchar(255),
    commission_rate numeric(5,4),
    commission_amount numeric(12,2),
    commission_status commission_status_enum not null default 'pending',
    payer_id uuid not null references members (id),
    payee_id uuid not null references members (id),
    processed_at timestamptz,
    settled_at timestamptz,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    -- TER-23, TER-D14
    constraint transactions_amount check (amount > 0),
    constraint transactions_commission_rate check (commission_rate between 0 and 1),
    -- TER-26
    constraint transactions_parties check (payer_id <> payee_id),
    -- TER-23, TER-D15
    constraint transactions_whole_yen check (currency <> 'JPY' or (amount = trunc(amount) and commission_amount = trunc(commission_amount))),
    -- TER-20, TER-22: half up, to the currency's minor unit.
    constraint transactions_commission check (commission_amount = round(amount * commission_rate, case when currency = 'JPY' then 0 else 2 end)),
    constraint transactions_dates check (settled_at >= processed_at)
);
create index idx_transactions_partnership_id on transactions (partnership_id);
create index idx_transactions_status on transactions (status);
create index idx_transactions_payer_id on transactions (payer_id);
create index idx_transactions_payee_id on transactions (payee_id);
create index idx_transactions_milestone_id on transactions (milestone_id);  -- TER-D17
-- TER-24: a provider's callback, repeated, finds the first.
create unique index transactions_external_key on transactions (payment_method, external_transaction_id)
    where external_transaction_id is not null;

create table commission_calculations (
    id uuid primary key default gen_random_uuid(),
    transaction_id uuid not null references transactions (id) on delete cascade,
    base_amount numeric(12,2) not null,
    commission_rate numeric(5,4) not null,
    commission_amount numeric(12,2) not null,
    tax_amount numeric(12,2) not null default 0,
    processing_fees numeric(12,2) not null default 0,
    net_commission numeric(12,2) not null,
    calculation_date timestamptz default now(),
    created_at timestamptz default now(),
    -- TER-21
    constraint commission_calculations_net check (net_commission = commission_amount - tax_amount - processing_fees),
    -- TER-20; to whole units for JPY
    constraint commission_calculations_amount check (commission_amount in (round(base_amount * commission_rate, 2), round(base_amount * commission_rate))),
    -- TER-D14
    constraint commission_calculations_rate check (commission_rate between 0 and 1),
    constraint commission_calculations_base check (base_amount > 0 and tax_amount >= 0 and processing_fees >= 0)
);
create index idx_commission_calculations_transaction_id on commission_calculations (transaction_id);

create table collaboration_workspaces (
    id uuid primary key default gen_random_uuid(),
    partnership_id uuid not null references partnerships (id) on delete cascade,
    name varchar(255) not null,
    description text,
    visibility visibility_enum not null default 'partnership',
    settings jsonb default '{}',
    is_active boolean not null default true,
    archived_at timestamptz,
    created_by uuid not null references members (id),
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    -- TER-27
    constraint collaboration_workspaces_archived check (archived_at is null or not is_active)
);
create index idx_collaboration_workspaces_partnership_id on collaboration_workspaces (partnership_id);  -- TER-D17
create index idx_collaboration_workspaces_created_by on collaboration_workspaces (created_by);  -- TER-D17

create table workspace_members (
    id uuid primary key default gen_random_uuid(),
    workspace_id uuid not null references collaboration_workspaces (id) on delete cascade,
    member_id uuid not null references members (id) on delete cascade,
    role workspace_role_enum not null default 'collaborator',
    permissions workspace_permission_enum[] not null default '{}',
    joined_at timestamptz default now(),
    last_active_at timestamptz,
    constraint workspace_members_unique unique (workspace_id, member_id)
);
create index idx_workspace_members_member_id on workspace_members (member_id);  -- TER-D17

create table creative_assets (
    id uuid primary key default gen_random_uuid(),
    workspace_id uuid not null references collaboration_workspaces (id) on delete cascade,
    title varchar(255) not null,
    description text,
    file_name varchar(255) not null,
    file_size bigint not null,
    file_type varchar(100) not null,
    mime_type varchar(100) not null,
    file_url varchar(1000) not null,
    asset_type asset_type_enum not null,
    tags text[] default '{}',
    version integer not null default 1,
    parent_asset_id uuid references creative_assets (id),
    approval_required boolean default false,
    approval_status approval_status_enum not null default 'pending',
    uploaded_by uuid not null references members (id),
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    -- TER-29, TER-D14
    constraint creative_assets_size check (file_size >= 0),
    constraint creative_assets_version check (version >= 1 and (parent_asset_id is not null or version = 1)),
    constraint creative_assets_parent check (parent_asset_id <> id)
);
create index idx_creative_assets_workspace_id on creative_assets (workspace_id);
create index idx_creative_assets_asset_type on creative_assets (asset_type);
create index idx_creative_assets_approval_status on creative_assets (approval_status);
create index idx_creative_assets_parent_asset_id on creative_assets (parent_asset_id);  -- TER-D17
create index idx_creative_assets_uploaded_by on creative_assets (uploaded_by);  -- TER-D17

create table asset_approvals (
    id uuid primary key default gen_random_uuid(),
    asset_id uuid not null references creative_assets (id) on delete cascade,
    approver_id uuid not null references members (id),
    status approval_status_enum not null default 'pending',
    comments text,
    deadline timestamptz,
    approved_at timestamptz,
    created_at timestamptz default now(),
    constraint asset_approvals_unique unique (asset_id, approver_id)
);
create index idx_asset_approvals_approver_id on asset_approvals (approver_id);  -- TER-D17

create table partnership_analytics (
    id uuid primary key default gen_random_uuid(),
    partnership_id uuid not null references partnerships (id) on delete cascade,
    completion_percentage numeric(5,2) default 0,
    roi_current numeric(8,2),
    roi_projected numeric(8,2),
    performance_score numeric(3,2),
    content_pieces_delivered integer default 0,
    total_impressions bigint default 0,
    total_engagements bigint default 0,
    engagement_rate numeric(5,4),
    reach bigint default 0,
    brand_mentions integer default 0,
    sentiment_positive numeric(5,4),
    sentiment_neutral numeric(5,4),
    sentiment_negative numeric(5,4),
    overall_sentiment sentiment_enum,
    revenue_generated numeric(12,2),
    cost_per_acquisition numeric(8,2),
    customer_lifetime_value numeric(10,2),
    industry_benchmark_roi numeric(8,2),
    performance_vs_industry numeric(6,3),
    measurement_date date not null,
    created_at timestamptz default now(),
    constraint partnership_analytics_unique unique (partnership_id, measurement_date),
    -- TER-32
    constraint partnership_analytics_completion check (completion_percentage between 0 and 100),
    constraint partnership_analytics_engagement check (total_impressions = 0 or abs(engagement_rate - total_engagements::numeric / total_impressions) <= 0.00005),
    constraint partnership_analytics_shares check (sentiment_positive >= 0 and sentiment_neutral >= 0 and sentiment_negative >= 0),
    -- Three shares rounded to four places can miss 1 by 0.00015.
    constraint partnership_analytics_sentiment check (abs(sentiment_positive + sentiment_neutral + sentiment_negative - 1) <= 0.0002),
    constraint partnership_analytics_overall check (greatest(sentiment_positive, sentiment_neutral, sentiment_negative) = case overall_sentiment when 'positive' then sentiment_positive when 'neutral' then sentiment_neutral else sentiment_negative end or overall_sentiment is null),
    -- TER-D14
    constraint partnership_analytics_score check (performance_score between 0 and 5),
    constraint partnership_analytics_counts check (content_pieces_delivered >= 0 and total_impressions >= 0 and total_engagements >= 0 and reach >= 0 and brand_mentions >= 0 and revenue_generated >= 0)
);
create index idx_partnership_analytics_partnership_id on partnership_analytics (partnership_id);
create index idx_partnership_analytics_measurement_date on partnership_analytics (measurement_date);

create table member_reputation (
    id uuid primary key default gen_random_uuid(),
    member_id uuid not null references members (id) on delete cascade,
    overall_score numeric(3,2) default 3.0,
    partnership_success_rate numeric(5,4) default 0,
    communication_score numeric(3,2) default 3.0,
    delivery_score numeric(3,2) default 3.0,
    collaboration_score numeric(3,2) default 3.0,
    total_partnerships integer default 0,
    completed_partnerships integer default 0,
    successful_partnerships integer default 0,
    average_partnership_value numeric(12,2),
    member_since timestamptz,
    last_partnership_date timestamptz,
    last_calculated_at timestamptz default now(),
    calculation_version integer default 1,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    constraint member_reputation_member_id_key unique (member_id),
    -- TER-34, TER-D14
    constraint member_reputation_scores check (overall_score between 0 and 5 and communication_score between 0 and 5 and delivery_score between 0 and 5 and collaboration_score between 0 and 5),
    constraint member_reputation_counts check (0 <= successful_partnerships and successful_partnerships <= completed_partnerships and completed_partnerships <= total_partnerships),
    constraint member_reputation_success_rate check (partnership_success_rate = case when completed_partnerships = 0 then 0 else round(successful_partnerships::numeric / completed_partnerships, 4) end)
);
create index idx_member_reputation_overall_score on member_reputation (overall_score);
create index idx_member_reputation_partnership_success_rate on member_reputation (partnership_success_rate);

create table audit_logs (
    id uuid primary key default gen_random_uuid(),
    entity_type entity_type_enum not null,
    entity_id uuid not null,
    action audit_action_enum not null,
    old_values jsonb,
    new_values jsonb,
    changes jsonb,
    performed_by uuid references members (id),
    ip_address inet,
    user_agent text,
    session_id uuid,
    metadata jsonb default '{}',
    reason text,
    created_at timestamptz default now()
);
create index idx_audit_logs_entity on audit_logs (entity_type, entity_id);
create index idx_audit_logs_performed_by on audit_logs (performed_by);
create index idx_audit_logs_created_at on audit_logs (created_at);

create table feature_flags (
    id uuid primary key default gen_random_uuid(),
    flag_name varchar(100) not null,
    description text,
    is_enabled boolean not null default false,
    rollout_percentage integer not null default 0,
    target_conditions jsonb default '{}',
    member_whitelist uuid[],
    member_blacklist uuid[],
    created_by uuid not null references members (id),
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    unique (flag_name),
    -- TER-37, TER-D14
    constraint feature_flags_rollout check (rollout_percentage between 0 and 100)
);
create index idx_feature_flags_is_enabled on feature_flags (is_enabled);
create index idx_feature_flags_created_by on feature_flags (created_by);  -- TER-D17

create table notifications (
    id uuid primary key default gen_random_uuid(),
    recipient_id uuid not null references members (id) on delete cascade,
    type notification_type_enum not null,
    title varchar(255) not null,
    message text not null,
    action_url varchar(1000),
    data jsonb default '{}',
    priority priority_enum default 'medium',
    is_read boolean not null default false,
    read_at timestamptz,
    delivery_channels notification_channel_enum[] default '{in_app}',
    email_sent_at timestamptz,
    push_sent_at timestamptz,
    created_at timestamptz default now(),
    -- TER-D10: the channel sms had no time of its own.
    sms_sent_at timestamptz,
    -- TER-38
    constraint notifications_read check (read_at is null or is_read)
);
create index idx_notifications_recipient_id on notifications (recipient_id);
create index idx_notifications_is_read on notifications (is_read);
create index idx_notifications_created_at on notifications (created_at);

comment on column members.password_hash is 'Argon2 or bcrypt; null when the member signs in through a provider only (TER-D12).';
comment on column user_sessions.session_token is 'SHA-256 of the token in hex (TER-D13).';
comment on column partnership_analytics.performance_score is 'Scale 0-5; the newest one of a partnership is its success_score (TER-D10).';
comment on column partnership_analytics.performance_vs_industry is 'roi_current / industry_benchmark_roi (TER-33).';
comment on column partnerships.commission_rate is 'Fraction; copied onto each transaction when it is made (TER-20).';
comment on table members is 'Deleting a row fails once the member founded, paid or was audited: set status deleted and anonymise instead (TER-D19).';
