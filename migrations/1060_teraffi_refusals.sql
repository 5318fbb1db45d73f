-- TER-15: who lacks a permission is refused, and that is known.
update affinity.audit_targets set refusal = '{"entity_type": "member", "action": "rejected"}' where platform = 'teraffi';
