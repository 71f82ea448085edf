-- Everything that a dump, a restore or a comparison may stumble over.
CREATE SCHEMA "we""ird";
CREATE EXTENSION pgcrypto;
CREATE EXTENSION btree_gist;
CREATE TYPE mood AS ENUM ('calm', 'cross');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);

CREATE TABLE "we""ird"."tab le
é" ("co""l'" text, "Ünï" mood DEFAULT 'calm', big bytea, "row" jsonb, price money, at timestamptz, dbl float8);
INSERT INTO "we""ird"."tab le
é" SELECT 'it''s ' || i, 'cross', decode(repeat(md5(i::text), 900), 'hex'), jsonb_build_object('k', i), i, 'epoch'::timestamptz + i * interval '1 day', i / 3.0
  FROM generate_series(1, 200) i;

CREATE TABLE empty_one (id int PRIMARY KEY);
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;

CREATE TABLE parent (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name varchar(20) CHECK (name IN ('a', 'b')), qty positive,
                     twice int GENERATED ALWAYS AS (qty * 2) STORED);
CREATE TABLE child (extra text) INHERITS (parent);
ALTER TABLE parent ADD later text DEFAULT 'x';
INSERT INTO parent (name, qty) SELECT 'a', i FROM generate_series(1, 50) i;
INSERT INTO child (name, qty, extra, id) OVERRIDING SYSTEM VALUE SELECT 'b', i, 'e' || i, 1000 + i FROM generate_series(1, 50) i;
ALTER TABLE parent DROP COLUMN qty CASCADE;

CREATE TABLE measured (at date NOT NULL, region text NOT NULL, value int) PARTITION BY RANGE (at);
CREATE TABLE measured_2025 PARTITION OF measured FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY LIST (region);
CREATE TABLE measured_2025_north PARTITION OF measured_2025 FOR VALUES IN ('north');
CREATE TABLE measured_rest PARTITION OF measured DEFAULT;
INSERT INTO measured SELECT date '2025-01-01' + i, 'north', i FROM generate_series(0, 300) i;
INSERT INTO measured VALUES ('2030-01-01', 'south', 1);
CREATE INDEX measured_value ON measured (value) WHERE region IN ('north', 'south');

CREATE TABLE a (id int PRIMARY KEY, b_id int);
CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE a ADD CONSTRAINT circular FOREIGN KEY (b_id) REFERENCES b DEFERRABLE INITIALLY DEFERRED;
BEGIN; INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 1); COMMIT;
CREATE TABLE orphans (a_id int);
INSERT INTO orphans VALUES (99);
ALTER TABLE orphans ADD CONSTRAINT unchecked FOREIGN KEY (a_id) REFERENCES a NOT VALID;
CREATE TABLE rooms (room int, during tsrange, EXCLUDE USING gist (room WITH =, during WITH &&));
INSERT INTO rooms VALUES (1, '[2026-01-01, 2026-01-02)');

CREATE UNLOGGED TABLE quick (id int);
INSERT INTO quick SELECT generate_series(1, 10);
CREATE VIEW shown AS SELECT id, name FROM parent WHERE name IN ('a', 'b');
CREATE MATERIALIZED VIEW summed AS SELECT count(*) AS n FROM parent;
CREATE MATERIALIZED VIEW unpopulated AS SELECT 1 AS one WITH NO DATA;

CREATE TABLE guarded_rows (id int, owner text);
INSERT INTO guarded_rows SELECT i, CASE WHEN i % 2 = 0 THEN 'postgres' ELSE 'other' END FROM generate_series(1, 20) i;
ALTER TABLE guarded_rows ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON guarded_rows USING (owner = current_user AND owner IN ('postgres', 'other'));

CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER noted BEFORE INSERT ON empty_one FOR EACH ROW WHEN (NEW.id > 0) EXECUTE FUNCTION note();
CREATE TRIGGER switched_off BEFORE INSERT ON empty_one FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE empty_one DISABLE TRIGGER switched_off;
CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE EVENT TRIGGER watching ON sql_drop EXECUTE FUNCTION watch();
CREATE SEQUENCE never_used;
SELECT lo_from_bytea(0, 'a large object');
