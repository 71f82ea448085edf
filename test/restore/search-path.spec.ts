import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { backupDirectory, withBackups } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

jest.setTimeout(120_000);

/** The function works in the application but not in a restore, where search_path is empty. */
const SLUGS = `
  CREATE EXTENSION unaccent;
  CREATE FUNCTION slugify(v text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS
    $$ BEGIN RETURN lower(unaccent(v)); END $$;
  CREATE TABLE place (name text, slug text GENERATED ALWAYS AS (slugify(name)) STORED);
  INSERT INTO place VALUES ('Zürich');
  CREATE TABLE kept AS SELECT 1 AS a`;
const ADVICE =
  'To make the next backup restore: ALTER FUNCTION public.slugify(text) SET search_path = public, pg_temp; or write the schema in front of every name in its body.';

describe('a function that names things without their schema', () => {
  let own: ThrowAwayCluster;
  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  function environmentOf(url: string, format = 'custom'): Record<string, string> {
    return {
      NODE_ENV: 'test',
      DATABASE_URL: url,
      BACKUP_DIR: backupDirectory(),
      BACKUP_FORMAT: format,
      TEST_DATABASE_URL: own.cluster.url('postgres'),
    };
  }

  it.each(['custom', 'plain'])(
    'is reported by the backup and explained by the test, and the rest is restored: %s',
    async (format) => {
      const url = await createDatabase(own, `slugs_${format}`);
      await query(url, SLUGS);
      const environment = environmentOf(url, format);
      const { name, warnings } = await withBackups(environment, (backups) => backups.create());
      expect(warnings).toEqual([
        `a restore of this backup will fail at generated column public.place.slug: function public.slugify(text) names unaccent without a schema, and a restore has an empty search_path. ${ADVICE}`,
      ]);

      const command = `restore ${name} --despite restore:table-data:public.place --despite rows:public.place --despite contents:public.place`;
      const test = await runCli(['restore', 'test'], environment);
      expect(test.code).toBe(1);
      expect(test.stdout).toContain(
        '  finding restore:table-data:public.place: function unaccent(text) does not exist (in function public.slugify(text))' +
          (format === 'plain' ? ', at: COPY public.place (name) FROM stdin;\n' : '\n') +
          '  finding rows:public.place: public.place has 0 rows, expected 1\n' +
          '  finding contents:public.place: the rows of public.place have other contents\n' +
          '  To accept these findings and restore the rest:\n' +
          `    pgkeep ${command}\n` +
          `  note: ${ADVICE}\n`,
      );

      const refused = await runCli(['restore', name], environment);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain('function unaccent(text) does not exist');
      expect(refused.stderr).toContain(`Database "slugs_${format}" was not changed.\n${ADVICE}\n`);
      expect(refused.stderr).toContain(
        `To list everything that cannot be restored, and get the command that restores the rest: \`pgkeep restore test ${name}\`.`,
      );

      const restored = await runCli(command.split(' '), environment);
      expect([restored.code, restored.stdout]).toEqual([
        0,
        expect.stringContaining('  accepted rows:public.place: public.place has 0 rows, expected 1\n'),
      ]);
      const left = await query(
        url,
        'SELECT (SELECT count(*) FROM place) AS places, (SELECT count(*) FROM kept) AS kept',
      );
      expect(left.rows).toEqual([{ places: '0', kept: '1' }]);

      await query(url, 'ALTER FUNCTION public.slugify(text) SET search_path = public, pg_temp');
      await query(url, `INSERT INTO place VALUES ('Genève')`);
      const fixed = await withBackups(environment, (backups) => backups.create());
      expect(fixed.warnings).toEqual([]);
      expect((await runCli(['restore', 'test', fixed.name], environment)).code).toBe(0);
    },
  );

  it('is reported in each place where a restore runs it, and only there', async () => {
    const url = await createDatabase(own, 'uses');
    await query(
      url,
      `CREATE EXTENSION cube; CREATE EXTENSION earthdistance; CREATE SCHEMA app;
       CREATE TABLE lookup (code text); INSERT INTO lookup VALUES ('a');
       CREATE FUNCTION app.known(v text) RETURNS boolean LANGUAGE plpgsql AS
         $$ DECLARE found boolean; BEGIN found := EXISTS (SELECT FROM lookup WHERE code = v); RETURN found; END $$;
       CREATE FUNCTION twice(v text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT v || v';
       CREATE FUNCTION bare(v text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT twice(v)';
       CREATE FUNCTION sound(v text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower(public.twice(v))';
       CREATE FUNCTION pathed(v text) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = public AS 'SELECT twice(v)';
       CREATE TABLE checked (v text CONSTRAINT is_known CHECK (app.known(v))); INSERT INTO checked VALUES ('a');
       CREATE DOMAIN code AS text CONSTRAINT code_known CHECK (app.known(VALUE));
       CREATE TABLE indexed (v text); CREATE INDEX by_bare ON indexed (bare(v)); INSERT INTO indexed VALUES ('a');
       CREATE INDEX by_sound ON indexed (sound(v)); CREATE INDEX by_pathed ON indexed (pathed(v));
       CREATE TABLE places (lat float, lng float); INSERT INTO places VALUES (1, 2);
       CREATE INDEX by_place ON places USING gist (ll_to_earth(lat, lng));
       CREATE MATERIALIZED VIEW seen AS SELECT bare(v) FROM indexed;
       CREATE TABLE later (v text DEFAULT bare('x')); CREATE POLICY mine ON later USING (app.known(v));
       CREATE VIEW plain AS SELECT bare(v) FROM indexed`,
    );
    const { warnings } = await withBackups(environmentOf(url), (backups) => backups.create());
    expect(warnings).toEqual([
      'a restore of this backup will fail at constraint code_known of domain public.code, constraint is_known of public.checked: function app.known(text) names lookup without a schema, and a restore has an empty search_path. To make the next backup restore: ALTER FUNCTION app.known(text) SET search_path = app, public, pg_temp; or write the schema in front of every name in its body.',
      'a restore of this backup will fail at index public.by_bare, materialized view public.seen: function public.bare(text) names twice without a schema, and a restore has an empty search_path. To make the next backup restore: ALTER FUNCTION public.bare(text) SET search_path = public, pg_temp; or write the schema in front of every name in its body.',
      "a restore of this backup will fail at index public.by_place: function public.ll_to_earth(double precision, double precision) names cube, earth without a schema, and a restore has an empty search_path. To make the next backup restore: do not call public.ll_to_earth(double precision, double precision) of extension earthdistance directly. Call a function of yours that wraps it and has SET search_path = public, pg_temp; a dump does not keep changes to an extension's function.",
    ]);
  });
});
