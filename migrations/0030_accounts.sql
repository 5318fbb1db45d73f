-- Who may sign in, and by what. Where a platform keeps its people, their sessions and their providers is a row here;
-- what no platform has a table for (keys, tokens, second factors, operators, mail) is kept here for all of them.
-- Nothing here is served: every value that lets somebody in is a hash or sealed, and written by the server only.

create table affinity.account_tables (
    platform text primary key references affinity.platforms on delete cascade,
    accounts name not null,
    account_columns jsonb not null,
    active text not null,
    sessions name not null,
    session_columns jsonb not null,
    providers name not null,
    provider_columns jsonb not null,
    sign_up text,
    sign_up_fields text[] not null default '{}'
);
comment on table affinity.account_tables is
    'Which tables of a platform hold its people. account_columns: id, email, password_hash, verified; session_columns: id, account, token_hash, expires_at, created_at, is_active, ip_address, user_agent; provider_columns: account, provider, external_id (fact to column). active: SQL condition over the row "account". sign_up: statement run for a new account, $1 its id (uuid), $2 what was given (jsonb) of sign_up_fields, all of which are required.';

create table affinity.operators (
    platform text not null references affinity.platforms on delete cascade,
    account_id uuid not null,
    granted_at timestamptz not null default now(),
    granted_by uuid,
    primary key (platform, account_id)
);
comment on table affinity.operators is 'The staff of a platform: accounts whose sessions run as staff. Nobody can write here over HTTP.';

create table affinity.api_keys (
    id uuid primary key default gen_random_uuid(),
    platform text not null references affinity.platforms on delete cascade,
    account_id uuid not null,
    name text not null check (length(name) between 1 and 100),
    prefix text not null check (prefix ~ '^[A-Za-z0-9_-]{8}$'),
    key_hash text not null unique check (key_hash ~ '^[0-9a-f]{64}$'),
    permissions text[] not null check (cardinality(permissions) between 1 and 100),
    requests_per_minute integer not null check (requests_per_minute between 1 and 100000),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    created_at timestamptz not null default now()
);
create index api_keys_account_idx on affinity.api_keys (platform, account_id);
comment on table affinity.api_keys is 'Keys for programs. A key runs as its owner, narrowed by permissions; only its hash is kept.';

create table affinity.mailed_tokens (
    token_hash text primary key check (token_hash ~ '^[0-9a-f]{64}$'),
    platform text not null references affinity.platforms on delete cascade,
    account_id uuid not null,
    purpose text not null check (purpose in ('verify', 'reset')),
    expires_at timestamptz not null,
    created_at timestamptz not null default now()
);
create index mailed_tokens_account_idx on affinity.mailed_tokens (platform, account_id, purpose);
comment on table affinity.mailed_tokens is 'Tokens sent by mail, hashed; deleted by their use, and by a newer one for the same purpose.';

create table affinity.second_factors (
    platform text not null references affinity.platforms on delete cascade,
    account_id uuid not null,
    sealed_secret bytea not null,
    confirmed_at timestamptz,
    last_step bigint not null default 0,
    primary key (platform, account_id)
);
comment on table affinity.second_factors is
    'Time-based codes (RFC 6238). sealed_secret: AES-256-GCM under a key made from the server''s secret. last_step: the step of the last accepted code, so that none is accepted twice.';

create table affinity.backup_codes (
    platform text not null,
    account_id uuid not null,
    code_hash text not null check (code_hash ~ '^[0-9a-f]{64}$'),
    primary key (platform, account_id, code_hash),
    foreign key (platform, account_id) references affinity.second_factors on delete cascade
);
comment on table affinity.backup_codes is 'Codes for who lost his device, hashed; deleted by their use.';

create table affinity.failed_sign_ins (
    platform text not null references affinity.platforms on delete cascade,
    address_hash text not null,
    failures integer not null,
    failed_at timestamptz not null default now(),
    primary key (platform, address_hash)
);
comment on table affinity.failed_sign_ins is
    'Failures in a row per e-mail address, hashed, whether or not it has an account: an answer must not tell.';

create table affinity.outbox (
    id bigint generated always as identity primary key,
    recipient text not null,
    subject text not null,
    body text not null,
    attempts integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    last_error text,
    created_at timestamptz not null default now()
);
create index outbox_due_idx on affinity.outbox (next_attempt_at);
comment on table affinity.outbox is 'Mail to send, written in the transaction that asks for it; deleted when sent, since it holds tokens.';

create table affinity.provider_sign_ins (
    state_hash text primary key check (state_hash ~ '^[0-9a-f]{64}$'),
    platform text not null references affinity.platforms on delete cascade,
    provider text not null,
    nonce text not null,
    pkce_verifier text not null,
    return_to text not null,
    expires_at timestamptz not null
);
comment on table affinity.provider_sign_ins is 'Sign-ins under way at an OpenID provider; deleted by the return.';

create table affinity.demo_data (
    platform text primary key references affinity.platforms on delete cascade,
    loaded_at timestamptz not null default now()
);
comment on table affinity.demo_data is 'Platforms that the server itself filled with a made-up world: on a loopback address they are open to look at.';
