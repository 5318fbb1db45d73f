-- Columns that no caller writes because they follow from what he does write, and rules that keep somebody in charge.
-- All look at more than the caller may see, so each runs as its owner.

set local search_path = teraffi, public;

-- TER-09: who decides is who asks.
create function stamp_verification() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, teraffi, pg_temp
as $function$
begin
    new.verified_by := coalesce(new.verified_by, (select m.id from members m where m.id = affinity.me()));
    new.verified_at := coalesce(new.verified_at, now());
    return new;
end
$function$;
comment on function stamp_verification() is 'TER-09: verified_by and verified_at of a decision.';
create trigger member_verifications_stamp before update of status on member_verifications
    for each row when (old.status = 'pending' and new.status in ('approved', 'rejected')) execute function stamp_verification();

-- TER-38
create function stamp_reading() returns trigger
    language plpgsql
as $function$
begin
    new.read_at := case when new.is_read then coalesce(new.read_at, now()) end;
    return new;
end
$function$;
comment on function stamp_reading() is 'TER-38: read_at follows is_read.';
create trigger notifications_stamp before update of is_read on notifications
    for each row when (old.is_read <> new.is_read) execute function stamp_reading();

-- TER-30
create function stamp_approval() returns trigger
    language plpgsql
as $function$
begin
    new.approved_at := case when new.status = 'approved' then coalesce(new.approved_at, now()) end;
    return new;
end
$function$;
comment on function stamp_approval() is 'TER-30: approved_at follows the status.';
create trigger asset_approvals_stamp before update of status on asset_approvals
    for each row when (old.status <> new.status) execute function stamp_approval();

create function settle_asset() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, teraffi, pg_temp
as $function$
begin
    -- Locked, or two approvers who answer at once would each wait for the other.
    perform from creative_assets a where a.id = new.asset_id for no key update;
    update creative_assets a
    set approval_status = told.status
    from (
        select case
            when bool_or(p.status = 'rejected') then 'rejected'
            when bool_or(p.status = 'revision_requested') then 'revision_requested'
            when bool_and(p.status = 'approved') then 'approved'
            else 'pending'
        end::approval_status_enum as status
        from asset_approvals p where p.asset_id = new.asset_id
    ) as told
    where a.id = new.asset_id and a.approval_status = 'pending' and told.status <> 'pending';
    return null;
end
$function$;
comment on function settle_asset() is 'TER-30: an asset is what its approvers say together, as soon as that is settled.';
create trigger asset_approvals_settle after update of status on asset_approvals
    for each row when (old.status <> new.status) execute function settle_asset();

-- TER-28
create function keep_owner() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, teraffi, pg_temp
as $function$
begin
    if exists (select from collaboration_workspaces w where w.id = old.workspace_id)
        and exists (select from workspace_members m where m.workspace_id = old.workspace_id)
        and not exists (select from workspace_members m where m.workspace_id = old.workspace_id and m.role = 'owner')
    then
        raise exception 'workspace "%" would have members and no owner', old.workspace_id
            using errcode = 'check_violation', schema = 'teraffi', table = 'workspace_members', column = 'role',
                constraint = 'workspace_members_owner';
    end if;
    return null;
end
$function$;
comment on function keep_owner() is 'TER-28: the last owner of a workspace neither leaves nor steps down while others are in it.';
create trigger workspace_members_owner_leaves after delete on workspace_members
    for each row when (old.role = 'owner') execute function keep_owner();
create trigger workspace_members_owner_steps_down after update of role on workspace_members
    for each row when (old.role = 'owner' and new.role <> 'owner') execute function keep_owner();
