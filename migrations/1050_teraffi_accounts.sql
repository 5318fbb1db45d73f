-- teraffi's people, sessions and providers (TER-03, TER-04, TER-05, TER-10, TER-11, TER-12, TER-D12, TER-D13, TER-D18).
insert into affinity.account_tables
    (platform, accounts, account_columns, active, sessions, session_columns, providers, provider_columns, sign_up, sign_up_fields)
values (
    'teraffi',
    'members', '{"id": "id", "email": "email", "password_hash": "password_hash", "verified": "email_verified"}',
    'account.status = ''active''',
    'user_sessions', '{"id": "id", "account": "member_id", "token_hash": "session_token", "expires_at": "expires_at",
        "created_at": "created_at", "is_active": "is_active", "ip_address": "ip_address", "user_agent": "user_agent"}',
    'auth_providers', '{"account": "member_id", "provider": "provider", "external_id": "external_id"}',
    'insert into teraffi.member_profiles (member_id, name) values ($1, $2 ->> ''name'')', '{name}'
);
