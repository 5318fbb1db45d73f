CREATE SCHEMA shop;
CREATE TYPE shop.tier AS ENUM ('bronze', 'silver', 'gold');
CREATE TABLE shop.clients (id int PRIMARY KEY, name text NOT NULL, tier shop.tier, balance numeric(20, 4), details jsonb, tags text[],
    joined timestamptz, secret_number bigint);
CREATE TABLE shop.projects (id int PRIMARY KEY, name varchar(40) NOT NULL, client_id int REFERENCES shop.clients (id),
    budget numeric, plan json, words tsvector, span int4range);
CREATE TABLE shop.users (id int PRIMARY KEY, name text NOT NULL, boss_id int REFERENCES shop.users (id));
CREATE TABLE shop.tasks (id int PRIMARY KEY, name text NOT NULL, project_id int REFERENCES shop.projects (id), hours int);
CREATE TABLE shop.users_tasks (user_id int REFERENCES shop.users (id), task_id int REFERENCES shop.tasks (id),
    PRIMARY KEY (user_id, task_id));
CREATE TABLE shop.addresses (id int PRIMARY KEY, street text);
CREATE TABLE shop.orders (id int PRIMARY KEY, billing_id int CONSTRAINT billing REFERENCES shop.addresses (id),
    shipping_id int CONSTRAINT shipping REFERENCES shop.addresses (id));
CREATE TABLE shop.profiles (user_id int PRIMARY KEY REFERENCES shop.users (id), bio text);
CREATE VIEW shop.big_projects AS SELECT id, name, client_id FROM shop.projects WHERE budget > 150;
CREATE FUNCTION shop.shout(shop.clients) RETURNS text STABLE LANGUAGE sql AS $$ SELECT upper($1.name) || '!' $$;
CREATE FUNCTION shop.open_tasks(shop.projects) RETURNS SETOF shop.tasks STABLE LANGUAGE sql AS
    $$ SELECT * FROM shop.tasks WHERE project_id = $1.id AND hours > 2 $$;

INSERT INTO shop.clients VALUES
    (1, 'Acme', 'gold', 12345678901234.5678, '{"city": "Bern", "n": {"m": [10, 20]}}', '{a,b}', '2024-01-02T03:04:05Z', 9007199254740993),
    (2, 'Bolt', 'bronze', -0.0001, '{"city": "Ulm", "n": {"m": [30]}}', '{b,c}', '2024-06-01T00:00:00Z', 2),
    (3, 'Cora, "Inc"', NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO shop.projects VALUES
    (1, 'Alpha', 1, 100.10, '{"k": 1}', 'fat cat', '[1,5)'), (2, 'Beta', 1, 200.20, '{"k": 2}', 'thin rat', '[5,9)'),
    (3, 'Gamma', 2, 300.30, NULL, NULL, NULL), (4, 'Orphan', NULL, NULL, NULL, NULL, NULL);
INSERT INTO shop.users VALUES (1, 'Ann', NULL), (2, 'Ben', 1), (3, 'Cem', 1);
INSERT INTO shop.tasks VALUES (1, 'design', 1, 1), (2, 'code', 1, 5), (3, 'test', 2, 3), (4, 'rest', 3, NULL);
INSERT INTO shop.users_tasks VALUES (1, 1), (1, 2), (2, 2), (3, 3);
INSERT INTO shop.addresses VALUES (1, 'Main'), (2, 'Side');
INSERT INTO shop.orders VALUES (1, 1, 2);
INSERT INTO shop.profiles VALUES (1, 'hello');
