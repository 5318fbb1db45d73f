-- Schema teraffi: the enums of the source, created before the tables that use them (TER-02, TER-D01).

create schema teraffi;

create type teraffi.subscription_tier_enum as enum ('basic', 'pro', 'enterprise');
create type teraffi.member_status_enum as enum ('active', 'inactive', 'suspended', 'deleted');
create type teraffi.company_size_enum as enum ('startup', 'small', 'medium', 'large', 'enterprise');
create type teraffi.revenue_range_enum as enum ('under_1m', '1m_10m', '10m_100m', '100m_1b', 'over_1b');
create type teraffi.partnership_type_enum as enum ('content_collaboration', 'brand_sponsorship', 'co_marketing', 'licensing', 'distribution');
create type teraffi.goal_type_enum as enum ('market_expansion', 'revenue_growth', 'brand_elevation', 'ip_monetization', 'audience_growth');
create type teraffi.priority_enum as enum ('low', 'medium', 'high', 'critical');
create type teraffi.goal_status_enum as enum ('active', 'completed', 'paused', 'cancelled');
create type teraffi.verification_type_enum as enum ('identity', 'business', 'financial', 'social_media');
create type teraffi.verification_status_enum as enum ('pending', 'approved', 'rejected', 'expired');
create type teraffi.auth_provider_enum as enum ('google', 'linkedin', 'facebook', 'twitter', 'email');
create type teraffi.partnership_status_enum as enum ('pending', 'active', 'completed', 'cancelled', 'disputed');
create type teraffi.partnership_stage_enum as enum ('discovery', 'initial_contact', 'negotiation', 'contract_review', 'execution', 'performance_tracking', 'completion');
create type teraffi.partnership_role_enum as enum ('brand_sponsor', 'content_creator', 'distributor', 'agency_representative', 'platform_owner');
create type teraffi.partnership_permission_enum as enum ('view_details', 'edit_content', 'approve_content', 'approve_payments', 'view_analytics', 'manage_members');
create type teraffi.currency_enum as enum ('USD', 'EUR', 'GBP', 'CAD', 'AUD', 'JPY');
create type teraffi.payment_structure_enum as enum ('upfront', 'milestone_based', 'performance_based', 'revenue_share', 'hybrid');
create type teraffi.milestone_status_enum as enum ('pending', 'in_progress', 'completed', 'overdue', 'cancelled');
create type teraffi.payment_status_enum as enum ('pending', 'paid', 'overdue', 'cancelled');
create type teraffi.transaction_type_enum as enum ('partnership_payment', 'commission', 'refund', 'subscription_payment', 'bonus');
create type teraffi.transaction_status_enum as enum ('pending', 'processing', 'completed', 'failed', 'cancelled', 'refunded');
create type teraffi.payment_method_enum as enum ('stripe', 'paypal', 'wire_transfer', 'ach', 'credit_card');
create type teraffi.commission_status_enum as enum ('pending', 'calculated', 'paid', 'disputed');
create type teraffi.visibility_enum as enum ('public', 'network', 'partnership', 'private');
create type teraffi.workspace_role_enum as enum ('owner', 'admin', 'collaborator', 'viewer');
create type teraffi.workspace_permission_enum as enum ('view', 'comment', 'upload', 'edit', 'delete', 'approve', 'manage_members');
create type teraffi.asset_type_enum as enum ('image', 'video', 'audio', 'document', 'presentation', 'design_file', 'other');
create type teraffi.approval_status_enum as enum ('pending', 'approved', 'rejected', 'revision_requested');
create type teraffi.sentiment_enum as enum ('positive', 'neutral', 'negative');
create type teraffi.entity_type_enum as enum ('member', 'partnership', 'milestone', 'transaction', 'workspace', 'asset');
create type teraffi.audit_action_enum as enum ('created', 'updated', 'deleted', 'approved', 'rejected', 'completed');
create type teraffi.notification_type_enum as enum ('partnership_created', 'milestone_completed', 'payment_received', 'approval_required', 'system_update');
create type teraffi.notification_channel_enum as enum ('in_app', 'email', 'sms', 'push');
