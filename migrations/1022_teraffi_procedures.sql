-- What is more than a row write: functions that run as service, ask first whether the caller may
-- (teraffi_access.call_<name>, made of affinity.access_procedures), and leave their audit rows like any write.
-- Called again, each finds done what it was to do.

set local search_path = teraffi, public;

-- TER-25 needs to know what was refunded.
alter table transactions add column refunded_transaction_id uuid references transactions (id);
create index idx_transactions_refunded_transaction_id on transactions (refunded_transaction_id);
comment on column transactions.refunded_transaction_id is 'Of a refund: what it gives back. Its commission is reversed (TER-25).';

create table partnership_amendments (
    id uuid primary key default gen_random_uuid(),
    partnership_id uuid not null references partnerships (id) on delete cascade,
    terms jsonb not null check (jsonb_typeof(terms) = 'object'),
    proposed_by uuid not null references members (id),
    confirmed_by uuid references members (id) check (confirmed_by <> proposed_by),
    confirmed_at timestamptz,
    created_at timestamptz not null default now(),
    check ((confirmed_by is null) = (confirmed_at is null))
);
comment on table partnership_amendments is 'New terms that one side proposed and, once confirmed_by is set, another agreed to.';
create unique index partnership_amendments_open_key on partnership_amendments (partnership_id) where confirmed_by is null;
create index idx_partnership_amendments_partnership_id on partnership_amendments (partnership_id);
create index idx_partnership_amendments_proposed_by on partnership_amendments (proposed_by);
create index idx_partnership_amendments_confirmed_by on partnership_amendments (confirmed_by);

create function my_profile() returns jsonb
    language sql stable
    security definer
    set search_path = pg_catalog, teraffi, pg_temp
return (
    select jsonb_build_object('profile', to_jsonb(p), 'reputation', to_jsonb(r))
    from member_profiles p left join member_reputation r on r.member_id = p.member_id
    where p.member_id = affinity.me()
);
comment on function my_profile() is 'The caller''s own profile and reputation, with the columns that are hidden from others; null without a profile.';

-- TER-37: a member keeps his place in the order of a flag's rollout, whatever its percentage.
create function my_flags() returns setof text
    language sql stable
    security definer
    set search_path = pg_catalog, teraffi, pg_temp
begin atomic
    select f.flag_name
    from feature_flags f
    join members m on m.id = affinity.me()
    left join member_profiles p on p.member_id = m.id
    cross join lateral (
        select to_jsonb(p) || jsonb_build_object('subscription_tier', m.subscription_tier, 'email_verified', m.email_verified) as facts
    ) as known
    where f.is_enabled
        and not coalesce(m.id = any (f.member_blacklist), false)
        and (coalesce(m.id = any (f.member_whitelist), false)
            or not exists (
                select from jsonb_each(coalesce(f.target_conditions, '{}')) wanted
                where (case when jsonb_typeof(wanted.value) = 'array' then wanted.value @> (known.facts -> wanted.key)
                    else wanted.value = known.facts -> wanted.key end) is not true)
            and ('x' || left(md5(f.flag_name || ':' || m.id), 8))::bit(32)::bigint % 100 < f.rollout_percentage)
    order by f.flag_name;
end;
comment on function my_flags() is 'Names of the feature flags that are on for the caller (TER-37).';

create function accept_invitation(partnership_id uuid) returns partnership_members
    language plpgsql
    security definer
    set search_path = pg_catalog, teraffi, pg_temp
as $function$
#variable_conflict use_column
declare
    mine partnership_members;
begin
    perform affinity.refuse_unless(teraffi_access.call_accept_invitation(accept_invitation.partnership_id), 'accept_invitation');
    update partnership_members pm set is_active = true, joined_at = now()
    where pm.partnership_id = accept_invitation.partnership_id and pm.member_id = affinity.me()
    returning pm.* into mine;
    return mine;
end
$function$;
comment on function accept_invitation(uuid) is 'Makes the invited caller an active partner (TER-14).';

create function leave_partnership(partnership_id uuid) returns partnership_members
    language plpgsql
    security definer
    set search_path = pg_catalog, teraffi, pg_temp
as $function$
#variable_conflict use_column
declare
    mine partnership_members;
begin
    perform affinity.refuse_unless(teraffi_access.call_leave_partnership(leave_partnership.partnership_id), 'leave_partnership');
    update partnership_members pm set is_active = false, left_at = now()
    where pm.partnership_id = leave_partnership.partnership_id and pm.member_id = affinity.me()
    returning pm.* into mine;
    delete from workspace_members wm
    using collaboration_workspaces w
    where w.id = wm.workspace_id and w.partnership_id = leave_partnership.partnership_id and wm.member_id = affinity.me();
    return mine;
end
$function$;
comment on function leave_partnership(uuid) is 'Ends the caller''s part in a partnership and in its workspaces, or declines an invitation; the row stays (TER-14).';

create function set_partner(partnership_id uuid, member_id uuid, role partnership_role_enum, permissions partnership_permission_enum[])
    returns partnership_members
    language plpgsql
    security definer
    set search_path = pg_catalog, teraffi, pg_temp
as $function$
#variable_conflict use_column
declare
    partner partnership_members;
begin
    perform affinity.refuse_unless(teraffi_access.call_set_partner(set_partner.partnership_id, set_partner.member_id,
        set_partner.role, set_partner.permissions), 'set_partner');
    -- One at a time, or two managers could each end the other's part.
    perform from partnerships p where p.id = set_partner.partnership_id for no key update;
    update partnership_members pm
    set role = coalesce(set_partner.role, pm.role),
        permissions = coalesce(set_partner.permissions, pm.permissions),
        is_active = pm.is_active and set_partner.role is not null,
        left_at = case when set_partner.role is null then coalesce(pm.left_at, now()) end
    where pm.partnership_id = set_partner.partnership_id and pm.member_id = set_partner.member_id
    returning pm.* into partner;
    if partner.id is null then
        raise exception 'member "%" never had a part in partnership "%"', set_partner.member_id, set_partner.partnership_id
            using errcode = 'PT404', hint = 'insert a row with is_active false to invite him';
    end if;
    if not exists (
        select from partnership_members pm
        where pm.partnership_id = set_partner.partnership_id and pm.is_active and 'manage_members' = any (pm.permissions)
    ) then
        raise exception 'partnership "%" would have nobody who manages its members', set_partner.partnership_id
            using errcode = 'check_violation', schema = 'teraffi', table = 'partnership_members', column = 'permissions',
                constraint = 'partnership_members_manager';
    end if;
    if set_partner.role is null then
        delete from workspace_members wm
        using collaboration_workspaces w
        where w.id = wm.workspace_id and w.partnership_id = set_partner.partnership_id and wm.member_id = set_partner.member_id;
    end if;
    return partner;
end
$function$;
comment on function set_partner(uuid, uuid, partnership_role_enum, partnership_permission_enum[]) is
    'Changes another partner''s role and permissions (null permissions stay), invites again one who left, or with a null role ends his part.';

create function amend_terms(partnership_id uuid, terms jsonb) returns partnership_amendments
    language plpgsql
    security definer
    set search_path = pg_catalog, teraffi, pg_temp
as $function$
#variable_conflict use_column
declare
    amendable constant text[] := '{partnership_type,total_value,currency,payment_structure,start_date,end_date}';
    whole partnerships;
    wanted partnerships;
    amendment partnership_amendments;
begin
    perform affinity.refuse_unless(teraffi_access.call_amend_terms(amend_terms.partnership_id, amend_terms.terms), 'amend_terms');
    if jsonb_typeof(amend_terms.terms) <> 'object' or exists (select from jsonb_object_keys(amend_terms.terms) k where k <> all (amendable)) then
        raise exception 'terms are an object with some of: %', array_to_string(amendable, ', ') using errcode = 'invalid_parameter_value';
    end if;
    select p.* into whole from partnerships p where p.id = amend_terms.partnership_id for no key update;
    wanted := jsonb_populate_record(whole, amend_terms.terms);
    select a.* into amendment from partnership_amendments a
    where a.partnership_id = amend_terms.partnership_id and a.confirmed_by is null;
    if amendment.id is null then
        insert into partnership_amendments (partnership_id, terms, proposed_by)
        values (amend_terms.partnership_id, amend_terms.terms, affinity.me())
        returning * into amendment;
    elsif amendment.proposed_by <> affinity.me() and jsonb_populate_record(whole, amendment.terms) is not distinct from wanted then
        perform affinity.thaw('partnerships');
        update partnerships p
        set partnership_type = wanted.partnership_type, total_value = wanted.total_value, currency = wanted.currency,
            payment_structure = wanted.payment_structure, start_date = wanted.start_date, end_date = wanted.end_date
        where p.id = amend_terms.partnership_id;
        perform affinity.thaw(null);
        update partnership_amendments a set confirmed_by = affinity.me(), confirmed_at = now()
        where a.id = amendment.id returning a.* into amendment;
    else
        -- Other terms answer the open proposal with one of one's own.
        update partnership_amendments a set terms = amend_terms.terms, proposed_by = affinity.me()
        where a.id = amendment.id returning a.* into amendment;
    end if;
    return amendment;
end
$function$;
comment on function amend_terms(uuid, jsonb) is
    'Proposes new terms of a partnership; they hold when another partner who may edit asks for the same. Other terms replace the open proposal.';

create function advance_partnership(partnership_id uuid, status partnership_status_enum default null, stage partnership_stage_enum default null)
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, teraffi, pg_temp
as $function$
#variable_conflict use_column
begin
    perform affinity.refuse_unless(teraffi_access.call_advance_partnership(advance_partnership.partnership_id,
        advance_partnership.status, advance_partnership.stage), 'advance_partnership');
    update partnerships p
    set status = coalesce(advance_partnership.status, p.status), stage = coalesce(advance_partnership.stage, p.stage)
    where p.id = advance_partnership.partnership_id;
    if not found then
        raise exception 'there is no partnership "%"', advance_partnership.partnership_id using errcode = 'PT404';
    end if;
end
$function$;
comment on function advance_partnership(uuid, partnership_status_enum, partnership_stage_enum) is
    'Moves status, stage or both of a partnership as its state machines allow (TER-61, TER-62).';

create function progress_milestone(milestone_id uuid, status milestone_status_enum) returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, teraffi, pg_temp
as $function$
#variable_conflict use_column
begin
    perform affinity.refuse_unless(teraffi_access.call_progress_milestone(progress_milestone.milestone_id,
        progress_milestone.status), 'progress_milestone');
    update partnership_milestones m
    set status = progress_milestone.status,
        completed_date = case when progress_milestone.status = 'completed' then coalesce(m.completed_date, now()) end
    where m.id = progress_milestone.milestone_id;
end
$function$;
comment on function progress_milestone(uuid, milestone_status_enum) is
    'Moves a milestone''s status; completed only once approved, where it needs approval (TER-17, TER-63).';

create function approve_milestone(milestone_id uuid) returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, teraffi, pg_temp
as $function$
#variable_conflict use_column
begin
    perform affinity.refuse_unless(teraffi_access.call_approve_milestone(approve_milestone.milestone_id)
        and not exists (
            select from partnership_milestones m
            where m.id = approve_milestone.milestone_id and m.created_by = affinity.me()),
        'approve_milestone');
    update partnership_milestones m set approved_by = affinity.me(), approved_at = now()
    where m.id = approve_milestone.milestone_id and m.approved_at is null;
end
$function$;
comment on function approve_milestone(uuid) is 'Approves a milestone of another; the first approval stands (TER-17).';

create function pay_milestone(milestone_id uuid, payee_id uuid default null, payment_method payment_method_enum default null) returns uuid
    language plpgsql
    security definer
    set search_path = pg_catalog, teraffi, pg_temp
as $function$
#variable_conflict use_column
declare
    milestone partnership_milestones;
    payment transactions;
    payee uuid := pay_milestone.payee_id;
begin
    perform affinity.refuse_unless(teraffi_access.call_pay_milestone(pay_milestone.milestone_id, pay_milestone.payee_id,
        pay_milestone.payment_method), 'pay_milestone');
    -- Locked, or the same milestone could be paid twice at once.
    select m.* into milestone from partnership_milestones m where m.id = pay_milestone.milestone_id for no key update;
    select t.* into payment from transactions t
    where t.milestone_id = milestone.id and t.type = 'partnership_payment' and t.status not in ('cancelled', 'refunded')
    order by t.created_at limit 1;
    if found then
        return payment.id;
    end if;
    if milestone.approval_required and milestone.approved_at is null or milestone.value is null or milestone.status = 'cancelled' then
        raise exception 'milestone "%" cannot be paid', milestone.id
            using errcode = 'check_violation', schema = 'teraffi', table = 'partnership_milestones', constraint = 'partnership_milestones_payable',
                detail = 'required: a value, approval where it is required, not cancelled';
    end if;
    if payee is null and milestone.created_by <> affinity.me() then
        select pm.member_id into payee from partnership_members pm
        where pm.partnership_id = milestone.partnership_id and pm.member_id = milestone.created_by and pm.is_active;
    end if;
    if payee is null then
        select min(pm.member_id::text)::uuid into payee from partnership_members pm
        where pm.partnership_id = milestone.partnership_id and pm.is_active and pm.member_id <> affinity.me()
        having count(*) = 1;
    end if;
    if payee is null then
        raise exception 'several partners could be paid for milestone "%"', milestone.id
            using errcode = 'invalid_parameter_value', hint = 'name one as payee_id';
    end if;
    insert into transactions (partnership_id, milestone_id, type, amount, currency, description, payment_method, payer_id, payee_id)
    select milestone.partnership_id, milestone.id, 'partnership_payment', milestone.value, p.currency, milestone.title,
        pay_milestone.payment_method, affinity.me(), payee
    from partnerships p where p.id = milestone.partnership_id
    returning * into payment;
    -- TER-20, TER-21
    insert into commission_calculations (transaction_id, base_amount, commission_rate, commission_amount, net_commission)
    values (payment.id, payment.amount, payment.commission_rate, payment.commission_amount, payment.commission_amount);
    update transactions t set commission_status = 'calculated' where t.id = payment.id;
    return payment.id;
end
$function$;
comment on function pay_milestone(uuid, uuid, payment_method_enum) is
    'Begins the payment of a milestone''s value by the caller to its creator, the only other partner or payee_id, with its commission (TER-20, TER-26); gives the transaction''s id, the same each time.';

create function refund(transaction_id uuid, amount numeric default null, description text default null) returns uuid
    language plpgsql
    security definer
    set search_path = pg_catalog, teraffi, pg_temp
as $function$
#variable_conflict use_column
declare
    paid transactions;
    given_back numeric;
    made uuid;
    rest numeric;
begin
    perform affinity.refuse_unless(teraffi_access.call_refund(refund.transaction_id, refund.amount, refund.description), 'refund');
    select t.* into paid from transactions t where t.id = refund.transaction_id for no key update;
    if paid.id is null then
        raise exception 'there is no transaction "%"', refund.transaction_id using errcode = 'PT404';
    end if;
    select coalesce(sum(t.amount), 0), (array_agg(t.id order by t.created_at desc, t.id))[1] into given_back, made
    from transactions t
    where t.refunded_transaction_id = paid.id and t.status not in ('cancelled', 'failed');
    rest := paid.amount - given_back;
    if rest = 0 and (refund.amount is null or refund.amount = paid.amount) then
        return made;
    end if;
    if paid.status <> 'completed' or paid.type = 'refund' or coalesce(refund.amount, rest) not between 0.01 and rest then
        raise exception 'transaction "%" cannot be refunded', paid.id
            using errcode = 'check_violation', schema = 'teraffi', table = 'transactions', constraint = 'transactions_refundable',
                detail = format('required: status completed and at most %s', rest);
    end if;
    insert into transactions (partnership_id, milestone_id, type, amount, currency, description, payment_method,
            payer_id, payee_id, commission_rate, commission_amount, refunded_transaction_id)
    values (paid.partnership_id, paid.milestone_id, 'refund', coalesce(refund.amount, rest), paid.currency, refund.description,
        paid.payment_method, paid.payee_id, paid.payer_id, paid.commission_rate,
        round(coalesce(refund.amount, rest) * paid.commission_rate, case when paid.currency = 'JPY' then 0 else 2 end), paid.id)
    returning id into made;
    if coalesce(refund.amount, rest) = rest then
        update transactions t set status = 'refunded' where t.id = paid.id;
    end if;
    return made;
end
$function$;
comment on function refund(uuid, numeric, text) is
    'Gives back an amount, or what is left, of a completed transaction, its commission in proportion (TER-25); gives the refund''s id.';

create function restore_workspace(workspace_id uuid) returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, teraffi, pg_temp
as $function$
#variable_conflict use_column
begin
    perform affinity.refuse_unless(teraffi_access.call_restore_workspace(restore_workspace.workspace_id), 'restore_workspace');
    update collaboration_workspaces w set archived_at = null, is_active = true
    where w.id = restore_workspace.workspace_id and w.archived_at is not null;
end
$function$;
comment on function restore_workspace(uuid) is 'Opens an archived workspace again (TER-27).';

insert into affinity.access_procedures (platform, procedure_name, standing, condition) values
    ('teraffi', 'my_profile', 'member', 'always'),
    ('teraffi', 'my_flags', 'member', 'always'),
    ('teraffi', 'accept_invitation', 'member', 'invited_to(partnership_id)'),
    ('teraffi', 'leave_partnership', 'member', 'active_partner(partnership_id) or invited_to(partnership_id)'),
    ('teraffi', 'set_partner', 'member', 'member_id <> me and partner_may(partnership_id, ''manage_members'') and may_give(partnership_id, permissions)'),
    ('teraffi', 'amend_terms', 'member', 'partner_may(partnership_id, ''edit_content'') and partnership_open(partnership_id)'),
    ('teraffi', 'advance_partnership', 'member', 'partner_may(partnership_id, ''manage_members'')'),
    ('teraffi', 'advance_partnership', 'staff', 'always'),
    ('teraffi', 'progress_milestone', 'member', 'milestone_may(milestone_id, ''edit_content'')'),
    ('teraffi', 'approve_milestone', 'member', 'milestone_may(milestone_id, ''approve_payments'')'),
    ('teraffi', 'pay_milestone', 'member', 'milestone_may(milestone_id, ''approve_payments'')'),
    ('teraffi', 'refund', 'staff', 'always'),
    ('teraffi', 'restore_workspace', 'member', 'workspace_owner(workspace_id)');

insert into affinity.access_rules (platform, table_name, command, standing, condition) values
    ('teraffi', 'partnership_amendments', 'select', 'member', 'partner_may(partnership_id, ''view_details'')'),
    ('teraffi', 'partnership_amendments', 'select', 'staff', 'always'),
    ('teraffi', 'partnership_amendments', 'select', 'service', 'always'),
    ('teraffi', 'partnership_amendments', 'insert', 'service', 'always'),
    ('teraffi', 'partnership_amendments', 'update', 'service', 'always');
insert into affinity.column_tags (platform, table_name, column_name, tag) values
    ('teraffi', 'transactions', 'refunded_transaction_id', 'read_only');
insert into affinity.audited (platform, table_name, entity_type, entity_id_column) values
    ('teraffi', 'partnership_amendments', 'partnership', 'partnership_id');

select affinity.grant_access('teraffi');
