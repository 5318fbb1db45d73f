-- Answers of writes that carried an Idempotency-Key, for a day: written by the server's own user in the same transaction
-- as the write, read by nobody else.
CREATE TABLE affinity.idempotency_keys (
    caller text NOT NULL, -- the role, and who it is when he is known
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status int NOT NULL,
    headers jsonb NOT NULL, -- pairs of name and value, in order
    body text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (caller, key)
);
CREATE INDEX idempotency_keys_by_age ON affinity.idempotency_keys (created_at);
REVOKE ALL ON affinity.idempotency_keys FROM PUBLIC;
COMMENT ON TABLE affinity.idempotency_keys IS 'Answers of writes that carried an Idempotency-Key, kept for a day';
