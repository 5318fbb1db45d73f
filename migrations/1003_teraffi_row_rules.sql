-- Rules of teraffi that look beyond one row; everything that one row can decide is a check in 1002.

set local search_path = teraffi, public;

-- TER-D11: commission and subscriptions are paid to the platform, which is a member row of its own. It is made
-- when first needed, so that a fresh database holds no member; without a profile it is never listed or matched.
create function platform_account() returns uuid
    language plpgsql
as $function$
declare
    account constant uuid := '00000000-0000-4000-8000-000000000001';
begin
    insert into teraffi.members (id, email, email_verified) values (account, 'platform@teraffi.invalid', false)
    on conflict (id) do nothing;
    return account;
end
$function$;
comment on function platform_account() is 'The member row that stands for the platform in transactions (TER-D11); made at the first call.';

-- TER-D12: a member signs in by password or by provider. Checked at commit, because the provider row comes second.
create function check_sign_in() returns trigger
    language plpgsql
as $function$
declare
    subject uuid := case tg_table_name when 'members' then to_jsonb(new) ->> 'id' else to_jsonb(old) ->> 'member_id' end;
begin
    if exists (
        select from teraffi.members m
        where m.id = subject and m.password_hash is null and m.status <> 'deleted'
            and m.id <> '00000000-0000-4000-8000-000000000001'
            and not exists (select from teraffi.auth_providers a where a.member_id = m.id)
    ) then
        raise exception 'member "%" has neither a password nor a provider to sign in with', subject
            using errcode = 'check_violation', schema = 'teraffi', table = 'members', column = 'password_hash',
                constraint = 'members_sign_in';
    end if;
    return null;
end
$function$;
comment on function check_sign_in() is 'TER-D12, at commit.';

create constraint trigger members_sign_in after insert or update of password_hash, status on members
    deferrable initially deferred for each row execute function check_sign_in();
create constraint trigger auth_providers_sign_in after delete or update of member_id on auth_providers
    deferrable initially deferred for each row execute function check_sign_in();

-- TER-18: duration_days follows the dates; the check in 1002 holds it.
create function set_duration() returns trigger
    language plpgsql
as $function$
begin
    new.duration_days := coalesce(extract(day from new.end_date - new.start_date), new.duration_days);
    return new;
end
$function$;
comment on function set_duration() is 'TER-18: whole days from start_date to end_date.';

create trigger partnerships_duration before insert or update of start_date, end_date, duration_days on partnerships
    for each row execute function set_duration();

-- TER-18, TER-23: the milestones of a partnership are worth at most its total value, in its currency.
create function check_milestone_values() returns trigger
    language plpgsql
as $function$
declare
    -- Locked, or two milestones written at once would each see only themselves.
    whole teraffi.partnerships;
    planned numeric;
    broken boolean;
begin
    select p.* into whole from teraffi.partnerships p
    where p.id = case when tg_table_name = 'partnerships' then (to_jsonb(new) ->> 'id')::uuid
        else (to_jsonb(new) ->> 'partnership_id')::uuid end
    for no key update;
    select sum(m.value), bool_or(whole.currency = 'JPY' and m.value <> trunc(m.value)) into planned, broken
    from teraffi.partnership_milestones m where m.partnership_id = whole.id;
    if planned > whole.total_value then
        raise exception 'milestones of partnership "%" are worth %, more than its total value %', whole.id, planned, whole.total_value
            using errcode = 'check_violation', schema = 'teraffi', table = 'partnership_milestones', column = 'value',
                constraint = 'partnership_milestones_within_total';
    end if;
    if broken then
        raise exception 'milestones of partnership "%" must be whole numbers, its currency is JPY', whole.id
            using errcode = 'check_violation', schema = 'teraffi', table = 'partnership_milestones', column = 'value',
                constraint = 'partnership_milestones_whole_yen';
    end if;
    return null;
end
$function$;
comment on function check_milestone_values() is 'TER-18 and TER-23 over all milestones of a partnership.';

create trigger partnership_milestones_values after insert or update of value, partnership_id on partnership_milestones
    for each row execute function check_milestone_values();
create trigger partnerships_milestone_values after update of total_value, currency on partnerships
    for each row execute function check_milestone_values();

-- TER-20: the rate of the partnership is copied when the transaction is made, so that history keeps it.
-- TER-26: payer and payee are active members of the partnership, or the platform's own account (TER-D11).
create function complete_transaction() returns trigger
    language plpgsql
as $function$
declare
    stranger uuid;
begin
    if new.partnership_id is null then
        return new;
    end if;
    select party into stranger
    from unnest(array[new.payer_id, new.payee_id]) as party
    where party <> '00000000-0000-4000-8000-000000000001'
        and not exists (
            select from teraffi.partnership_members pm
            where pm.partnership_id = new.partnership_id and pm.member_id = party and pm.is_active);
    if found then
        raise exception 'member "%" is not an active member of partnership "%"', stranger, new.partnership_id
            using errcode = 'check_violation', schema = 'teraffi', table = 'transactions',
                constraint = 'transactions_between_partners';
    end if;
    if new.type = 'partnership_payment' then
        new.commission_rate := coalesce(new.commission_rate, (
            select p.commission_rate from teraffi.partnerships p where p.id = new.partnership_id));
        new.commission_amount := coalesce(new.commission_amount,
            round(new.amount * new.commission_rate, case when new.currency = 'JPY' then 0 else 2 end));
    end if;
    return new;
end
$function$;
comment on function complete_transaction() is 'TER-20 and TER-26 when a transaction is made.';

create trigger transactions_complete before insert on transactions
    for each row execute function complete_transaction();

-- TER-29: a version continues its parent.
create function set_asset_version() returns trigger
    language plpgsql
as $function$
begin
    select a.version + 1 into new.version from teraffi.creative_assets a where a.id = new.parent_asset_id;
    return new;
end
$function$;
comment on function set_asset_version() is 'TER-29: version = version of the parent + 1; a chain of growing versions has no cycle.';

create trigger creative_assets_version before insert or update of parent_asset_id, version on creative_assets
    for each row when (new.parent_asset_id is not null) execute function set_asset_version();

-- TER-19; as_of is the caller's clock.
create function mark_overdue(as_of timestamptz) returns bigint
    language sql
begin atomic
    with late as (
        select m.id,
            m.status in ('pending', 'in_progress') as undone,
            m.payment_status = 'pending' as unpaid
        from teraffi.partnership_milestones m
        where m.due_date < as_of
            and (m.status in ('pending', 'in_progress') or m.status <> 'cancelled' and m.payment_status = 'pending')
        for update
    ), marked as (
        update teraffi.partnership_milestones m
        set status = case when late.undone then 'overdue'::teraffi.milestone_status_enum else m.status end,
            payment_status = case when late.unpaid then 'overdue'::teraffi.payment_status_enum else m.payment_status end
        from late where late.id = m.id
        returning m.id
    )
    select count(*) from marked;
end;
comment on function mark_overdue(timestamptz) is 'TER-19: turns milestones past their due date overdue, and their unpaid payment; returns how many.';
