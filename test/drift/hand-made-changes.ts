/** Objects of the kinds that the clinic does not have, one each. */
export const MORE = `
  CREATE ROLE nurse;
  CREATE TYPE mood AS ENUM ('calm', 'cross');
  CREATE TYPE pair AS (one int, two text);
  CREATE DOMAIN positive AS int CHECK (VALUE > 0);
  CREATE SEQUENCE tickets;
  CREATE VIEW adults AS SELECT id, address FROM parents;
  CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM children;
  CREATE FUNCTION add_one(a int) RETURNS int LANGUAGE plpgsql AS $$
  BEGIN
    -- (what is asked for)
    RETURN a + 1;
  END $$;
  CREATE PROCEDURE nothing() LANGUAGE sql AS 'SELECT 1';
  CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int);
  CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
  CREATE TRIGGER touched BEFORE UPDATE ON children FOR EACH ROW EXECUTE FUNCTION touch();
  CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
  CREATE EVENT TRIGGER watching ON sql_drop EXECUTE FUNCTION watch();
  CREATE TABLE notes (id int PRIMARY KEY, owner text, mood mood DEFAULT 'calm', kind varchar(9) CHECK (kind IN ('a', 'b')), twice int GENERATED ALWAYS AS (1 + 1) STORED);
  ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
  CREATE POLICY own_notes ON notes USING (owner = current_user);
  CREATE INDEX notes_owner_idx ON notes (owner);
  CREATE TABLE measured (at date NOT NULL, value int) PARTITION BY RANGE (at);
  CREATE INDEX measured_value_idx ON measured (value);
  CREATE TRIGGER touched BEFORE UPDATE ON measured FOR EACH ROW EXECUTE FUNCTION touch();
  CREATE TABLE measured_2025 PARTITION OF measured FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')`;

/** A change by hand, the SQL that undoes it, and the lines that report it. */
export type Change = [what: string, sql: string, undo: string, expected: (string | RegExp)[]];

export const CHANGES: Change[] = [
  [
    'a column',
    'ALTER TABLE notes ADD shoe int',
    'ALTER TABLE notes DROP shoe',
    ['+ public.notes column shoe | integer'],
  ],
  [
    'a type',
    'ALTER TABLE notes ALTER id TYPE bigint',
    'ALTER TABLE notes ALTER id TYPE int',
    ['~ public.notes column id | integer NOT NULL -> bigint NOT NULL'],
  ],
  [
    'a default',
    `ALTER TABLE notes ALTER mood SET DEFAULT 'cross'`,
    `ALTER TABLE notes ALTER mood SET DEFAULT 'calm'`,
    [
      `~ public.notes column mood | public.mood DEFAULT 'calm'::public.mood -> public.mood DEFAULT 'cross'::public.mood`,
    ],
  ],
  [
    'NOT NULL',
    'ALTER TABLE notes ALTER owner SET NOT NULL',
    'ALTER TABLE notes ALTER owner DROP NOT NULL',
    ['~ public.notes column owner | text -> text NOT NULL'],
  ],
  [
    'a constraint',
    'ALTER TABLE notes ADD CONSTRAINT named CHECK (owner <> $$x$$) NOT VALID',
    'ALTER TABLE notes DROP CONSTRAINT named',
    [`+ public.notes constraint named | CHECK ((owner <> 'x'::text)) NOT VALID`],
  ],
  [
    'parentheses of a constraint',
    'ALTER TABLE notes DROP CONSTRAINT notes_kind_check; ALTER TABLE notes ADD CHECK (kind IN ($$a$$) OR (kind = $$b$$ AND id > 0))',
    `ALTER TABLE notes DROP CONSTRAINT notes_check; ALTER TABLE notes ADD CHECK (kind IN ('a', 'b'))`,
    [
      `+ public.notes constraint notes_check | CHECK ((((kind)::text = 'a'::text) OR (((kind)::text = 'b'::text) AND (id > 0))))`,
      `- public.notes constraint notes_kind_check | CHECK (((kind)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))`,
    ],
  ],
  [
    'a primary key, once',
    'ALTER TABLE notes DROP CONSTRAINT notes_pkey',
    'ALTER TABLE notes ADD PRIMARY KEY (id)',
    ['- public.notes constraint notes_pkey | PRIMARY KEY (id)'],
  ],
  [
    'a dropped index',
    'DROP INDEX notes_owner_idx',
    'CREATE INDEX notes_owner_idx ON notes (owner)',
    [
      '- public.notes index notes_owner_idx | CREATE INDEX notes_owner_idx ON public.notes USING btree (owner)',
    ],
  ],
  [
    'an invalid index',
    `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'notes_owner_idx'::regclass`,
    `UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'notes_owner_idx'::regclass`,
    [
      '~ public.notes index notes_owner_idx | CREATE INDEX notes_owner_idx ON public.notes USING btree (owner) -> CREATE INDEX notes_owner_idx ON public.notes USING btree (owner) (invalid)',
    ],
  ],
  [
    'a disabled trigger',
    'ALTER TABLE children DISABLE TRIGGER touched',
    'ALTER TABLE children ENABLE TRIGGER touched',
    [
      '~ public.children trigger touched | CREATE TRIGGER touched BEFORE UPDATE ON public.children FOR EACH ROW EXECUTE FUNCTION public.touch() -> CREATE TRIGGER touched BEFORE UPDATE ON public.children FOR EACH ROW EXECUTE FUNCTION public.touch() (disabled)',
    ],
  ],
  [
    'a foreign key that is not enforced',
    'ALTER TABLE parents DISABLE TRIGGER ALL',
    'ALTER TABLE parents ENABLE TRIGGER ALL',
    [
      '~ public.children constraint children_parent_id_fkey | FOREIGN KEY (parent_id) REFERENCES public.parents(id) ON UPDATE CASCADE ON DELETE RESTRICT -> FOREIGN KEY (parent_id) REFERENCES public.parents(id) ON UPDATE CASCADE ON DELETE RESTRICT (not fully enforced: triggers of it are disabled)',
      '~ public.parents constraint parents_user_id_fkey | FOREIGN KEY (user_id) REFERENCES public.users(id) ON UPDATE CASCADE ON DELETE CASCADE -> FOREIGN KEY (user_id) REFERENCES public.users(id) ON UPDATE CASCADE ON DELETE CASCADE (not fully enforced: triggers of it are disabled)',
      '~ public.parents constraint parents_village_id_fkey | FOREIGN KEY (village_id) REFERENCES public.villages(id) ON UPDATE CASCADE ON DELETE RESTRICT -> FOREIGN KEY (village_id) REFERENCES public.villages(id) ON UPDATE CASCADE ON DELETE RESTRICT (not fully enforced: triggers of it are disabled)',
    ],
  ],
  [
    'a rule',
    'CREATE RULE silent AS ON DELETE TO notes DO INSTEAD NOTHING',
    'DROP RULE silent ON notes',
    ['+ public.notes rule silent | CREATE RULE silent AS\n    ON DELETE TO public.notes DO INSTEAD NOTHING;'],
  ],
  [
    'row security',
    'ALTER TABLE notes DISABLE ROW LEVEL SECURITY',
    'ALTER TABLE notes ENABLE ROW LEVEL SECURITY',
    ['- public.notes row security | ENABLED'],
  ],
  [
    'who a policy is for',
    'ALTER POLICY own_notes ON notes TO nurse',
    'ALTER POLICY own_notes ON notes TO public',
    [
      '~ public.notes policy own_notes | AS PERMISSIVE FOR ALL TO public USING ((owner = CURRENT_USER)) -> AS PERMISSIVE FOR ALL TO nurse USING ((owner = CURRENT_USER))',
    ],
  ],
  [
    'a view',
    'CREATE OR REPLACE VIEW adults WITH (security_barrier) AS SELECT id, address FROM parents WHERE id > 1',
    'CREATE OR REPLACE VIEW adults AS SELECT id, address FROM parents; ALTER VIEW adults RESET (security_barrier)',
    [
      '~ public.adults view | SELECT parents.id,\n    parents.address\n   FROM public.parents; -> WITH (security_barrier=true) SELECT parents.id,\n    parents.address\n   FROM public.parents\n  WHERE (parents.id > 1);',
    ],
  ],
  [
    'a function’s body',
    `CREATE OR REPLACE FUNCTION add_one(a int) RETURNS int LANGUAGE plpgsql AS $$
  BEGIN
    -- what is asked for
    RETURN a + 1;
  END $$`,
    `CREATE OR REPLACE FUNCTION add_one(a int) RETURNS int LANGUAGE plpgsql AS $$
  BEGIN
    -- (what is asked for)
    RETURN a + 1;
  END $$`,
    [
      /^~ function public\.add_one\(a integer\) \| CREATE OR REPLACE[^]*-- \(what is asked for\)[^]* -> [^]*-- what is asked for\n/,
    ],
  ],
  [
    'how a function runs',
    'ALTER FUNCTION touch() SECURITY DEFINER',
    'ALTER FUNCTION touch() SECURITY INVOKER',
    [/^~ function public\.touch\(\) \| [^]* -> [^]*SECURITY DEFINER/],
  ],
  [
    'a procedure',
    'DROP PROCEDURE nothing()',
    `CREATE PROCEDURE nothing() LANGUAGE sql AS 'SELECT 1'`,
    [
      `- procedure public.nothing() | CREATE OR REPLACE PROCEDURE public.nothing()\n LANGUAGE sql\nAS $procedure$SELECT 1$procedure$`,
    ],
  ],
  [
    'an aggregate',
    'DROP AGGREGATE total(int)',
    'CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int)',
    ['- aggregate public.total(integer) | SFUNC int4pl STYPE integer'],
  ],
  [
    'an enum’s labels',
    `ALTER TYPE mood RENAME VALUE 'cross' TO 'angry'`,
    `ALTER TYPE mood RENAME VALUE 'angry' TO 'cross'`,
    [`~ enum public.mood | 'calm', 'cross' -> 'calm', 'angry'`],
  ],
  [
    'a domain',
    'ALTER DOMAIN positive SET NOT NULL',
    'ALTER DOMAIN positive DROP NOT NULL',
    [
      '~ domain public.positive | integer CONSTRAINT positive_check CHECK ((VALUE > 0)) -> integer NOT NULL CONSTRAINT positive_check CHECK ((VALUE > 0))',
    ],
  ],
  [
    'a composite type',
    'ALTER TYPE pair ADD ATTRIBUTE three int',
    'ALTER TYPE pair DROP ATTRIBUTE three',
    ['~ composite type public.pair | one integer, two text -> one integer, two text, three integer'],
  ],
  [
    'a sequence’s options',
    'ALTER SEQUENCE tickets INCREMENT 5 CYCLE',
    'ALTER SEQUENCE tickets INCREMENT 1 NO CYCLE',
    [
      '~ sequence public.tickets | AS bigint INCREMENT 1 MINVALUE 1 MAXVALUE 9223372036854775807 START 1 CACHE 1 -> AS bigint INCREMENT 5 MINVALUE 1 MAXVALUE 9223372036854775807 START 1 CACHE 1 CYCLE',
    ],
  ],
  [
    'an event trigger',
    'ALTER EVENT TRIGGER watching DISABLE',
    'ALTER EVENT TRIGGER watching ENABLE',
    [
      '~ event trigger watching | ON sql_drop EXECUTE FUNCTION public.watch -> ON sql_drop EXECUTE FUNCTION public.watch (disabled)',
    ],
  ],
  ['a schema', 'CREATE SCHEMA side', 'DROP SCHEMA side', ['+ schema side | ']],
  [
    'an extension, and nothing of what it brings',
    'CREATE EXTENSION pgcrypto',
    'DROP EXTENSION pgcrypto',
    ['+ extension pgcrypto | VERSION 1.3 SCHEMA public'],
  ],
  [
    'a table that is kept differently',
    'ALTER TABLE notes SET UNLOGGED',
    'ALTER TABLE notes SET LOGGED',
    ['~ public.notes table |  -> UNLOGGED'],
  ],
  [
    'an index of a partition’s own',
    'CREATE INDEX extra ON measured_2025 (at)',
    'DROP INDEX extra',
    ['+ public.measured_2025 index extra | CREATE INDEX extra ON public.measured_2025 USING btree (at)'],
  ],
  [
    'a trigger that is off on one partition',
    'ALTER TABLE measured_2025 DISABLE TRIGGER touched',
    'ALTER TABLE measured_2025 ENABLE TRIGGER touched',
    [
      '+ public.measured_2025 trigger touched | CREATE TRIGGER touched BEFORE UPDATE ON public.measured_2025 FOR EACH ROW EXECUTE FUNCTION public.touch() (disabled)',
    ],
  ],
];

/** Statements that do not change the structure. */
export const NO_CHANGES: [what: string, sql: string, undo: string][] = [
  [
    'rows, and where sequences stand',
    `INSERT INTO notes (id) VALUES (1); SELECT nextval('tickets')`,
    'DELETE FROM notes',
  ],
  [
    'a partition',
    `CREATE TABLE measured_2026 PARTITION OF measured FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')`,
    'DROP TABLE measured_2026',
  ],
  [
    'a partition with its own index',
    `CREATE TABLE measured_2027 (LIKE measured); CREATE INDEX own_idx ON measured_2027 (at);
     ALTER TABLE measured ATTACH PARTITION measured_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')`,
    'DROP TABLE measured_2027',
  ],
  [
    'triggers of pgkeep’s',
    'CREATE EVENT TRIGGER pgkeep_ddl ON sql_drop EXECUTE FUNCTION watch(); CREATE TRIGGER pgkeep_t BEFORE DELETE ON notes EXECUTE FUNCTION touch()',
    'DROP EVENT TRIGGER pgkeep_ddl; DROP TRIGGER pgkeep_t ON notes',
  ],
  [
    'pgkeep’s own schema',
    'CREATE TABLE pgkeep.mine (id int); CREATE FUNCTION pgkeep.f() RETURNS int LANGUAGE sql AS $$SELECT 1$$',
    'DROP TABLE pgkeep.mine; DROP FUNCTION pgkeep.f()',
  ],
  [
    'rights, owners and comments',
    `GRANT SELECT ON notes TO nurse; COMMENT ON TABLE notes IS 'x'`,
    'REVOKE SELECT ON notes FROM nurse; COMMENT ON TABLE notes IS NULL',
  ],
  ['a REINDEX, a VACUUM FULL, an ANALYZE', 'REINDEX TABLE notes', 'ANALYZE notes'],
  [
    'a partition that was taken out, and kept',
    'ALTER TABLE measured DETACH PARTITION measured_2025',
    `ALTER TABLE measured ATTACH PARTITION measured_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')`,
  ],
  ['a refresh', 'REFRESH MATERIALIZED VIEW counted', 'SELECT 1'],
  [
    'how the database writes dates',
    `ALTER DATABASE changes SET datestyle = 'German'; ALTER DATABASE changes SET search_path = pg_catalog`,
    'ALTER DATABASE changes RESET ALL',
  ],
];
