import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { Client } from 'pg';
import { findRenames, withParts } from '../../src/drift/differences.js';
import { DriftService } from '../../src/drift/drift.service.js';
import type { ComparedStructure, DriftedObject } from '../../src/drift/drift.types.js';
import { InstallService } from '../../src/install/install.service.js';
import { DatabaseService } from '../../src/postgres/database.service.js';
import { openRooms } from '../support/app.js';
import { stockDump, stockPsql } from '../support/backups.js';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { CHANGES, MORE, NO_CHANGES } from './hand-made-changes.js';

describe('drift', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let app: TestingModule;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createClinic(own, 'changes');
    await query(url, MORE);
    app = await openRooms(url);
    await app.get(InstallService).install();
    expect(await app.get(DriftService).recordAfter('deploy')).toEqual({ recorded: true });
  });
  afterAll(async () => {
    await app.close();
    await own.cluster.destroy();
  });

  const compared = async (of = app): Promise<ComparedStructure> => {
    const look = await of.get(DriftService).look();
    if (look.kind !== 'compared') throw new Error(`the look came to ${look.kind}`);
    return look;
  };
  /** Runs each statement alone, as psql does. */
  const psql = async (sql: string): Promise<void> => {
    for (const statement of sql.split(/;\s(?![^$]*\$\$)/)) await query(url, statement);
  };

  it('is none right after the recording', async () => {
    expect((await compared()).objects).toEqual([]);
  });

  it.each(CHANGES)('names %s, and ends when it is undone', async (_what, sql, undo, expected) => {
    await psql(sql);
    const { objects } = await compared();
    await psql(undo);
    const lines = withParts(objects).map(({ object }) => lineOf(object));
    expect(lines.map((line, index) => asExpected(line, expected[index]))).toEqual(expected);
    expect((await compared()).objects).toEqual([]);
  });

  it.each(NO_CHANGES)('is not caused by: %s', async (_what, sql, undo) => {
    await psql(sql);
    const { objects } = await compared();
    await psql(undo);
    expect(objects).toEqual([]);
  });

  it('reports a rename as one', async () => {
    await psql('ALTER TABLE notes RENAME owner TO whose');
    await psql('ALTER TABLE villages RENAME TO hamlets');
    const { objects } = await compared();
    await psql('ALTER TABLE hamlets RENAME TO villages');
    await psql('ALTER TABLE notes RENAME whose TO owner');
    expect([...findRenames(objects)].map(([gone, name]) => `${gone.home} ${gone.object} -> ${name}`)).toEqual(
      ['public.notes column owner -> column whose', 'public.villages table -> public.hamlets'],
    );
    expect((await compared()).objects).toEqual([]);
  });

  it('is none in a restored database, and detects changes there', async () => {
    const restored = await createDatabase(own, 'restored');
    await stockPsql(stockDump(url), restored);
    const there = await openRooms(restored);
    try {
      expect((await compared(there)).objects).toEqual([]);
      await query(
        restored,
        `ALTER TABLE notes DROP CONSTRAINT notes_kind_check; ALTER TABLE notes ADD CHECK (kind IN ('a', 'c'))`,
      );
      expect((await compared(there)).objects.map(({ object }) => object)).toEqual([
        'constraint notes_kind_check',
      ]);
    } finally {
      await there.close();
    }
  });

  it('is none if another version of PostgreSQL prints the same with other casts', async () => {
    await query(
      url,
      `UPDATE pgkeep.catalogue_fingerprint
          SET server_version = 140000, digests = digests || '{"constraints": "otherwise", "functions": "otherwise"}',
              lines = replace(lines::text, '(owner =', '((owner) =')::jsonb || jsonb_build_object('constraints',
                (SELECT jsonb_agg(jsonb_set(line, '{definition}', to_jsonb(replace(line->>'definition', '::character varying', '::varchar'))))
                   FROM jsonb_array_elements(lines->'constraints') line))`,
    );
    expect((await compared()).objects).toEqual([]);
    // Versions before 16 qualify every column with its table.
    await query(
      url,
      `UPDATE pgkeep.catalogue_fingerprint
          SET digests = digests || '{"views": "otherwise"}', lines = replace(lines::text, 'SELECT parents.id', 'SELECT id')::jsonb`,
    );
    expect((await compared()).objects).toEqual([]);
    await query(url, 'CREATE OR REPLACE VIEW adults AS SELECT id, address FROM parents WHERE id > 1');
    expect((await compared()).objects.map(({ home }) => home)).toEqual(['public.adults']);
    await query(url, 'CREATE OR REPLACE VIEW adults AS SELECT id, address FROM parents');
    await app.get(DriftService).recordAfter('deploy');
  });

  it('is unknown if another version of pgkeep recorded the structure', async () => {
    await query(url, 'UPDATE pgkeep.catalogue_fingerprint SET method = method + 1');
    expect(await app.get(DriftService).look()).toMatchObject({
      kind: 'not-comparable',
      recorded: { action: 'deploy' },
    });
    await app.get(DriftService).recordAfter('deploy');
  });

  it('is not computed while migrations are applied', async () => {
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query('SELECT pg_advisory_lock(72707369)');
    const look = await app.get(DriftService).look();
    await client.end();
    expect(look).toMatchObject({ kind: 'deploying' });
  });

  it('reuses the previous result if nothing has changed', async () => {
    await query(url, 'ALTER TABLE notes ADD again int');
    const drift = app.get(DriftService);
    const first = await compared();
    const second = await drift.look(first);
    expect(second).toMatchObject({ kind: 'compared', objects: [{ object: 'column again' }] });
    expect('objects' in second && second.objects).toBe(first.objects);
    await query(url, 'ALTER TABLE notes DROP again');
    expect(await drift.look(second)).toMatchObject({ objects: [] });
  });

  it('keeps the lines of the newest recording only', async () => {
    await app.get(DriftService).recordAfter('rollback');
    const { rows } = await query(
      url,
      'SELECT action, lines IS NULL AS is_bare FROM pgkeep.catalogue_fingerprint ORDER BY id DESC LIMIT 2',
    );
    expect(rows).toEqual([
      { action: 'rollback', is_bare: false },
      { action: 'deploy', is_bare: true },
    ]);
  });

  it('reads every kind of object that a schema can hold', async () => {
    const awkward = await createDatabase(own, 'awkward');
    await query(awkward, readFileSync('test/support/awkward.sql', 'utf8'));
    const there = await openRooms(awkward);
    try {
      await there.get(InstallService).install();
      expect(await there.get(DriftService).recordAfter('deploy')).toEqual({ recorded: true });
      expect((await compared(there)).objects).toEqual([]);
      const restored = await createDatabase(own, 'awkward_restored');
      await stockPsql(stockDump(awkward), restored);
      const restoredRooms = await openRooms(restored);
      const { objects } = await compared(restoredRooms);
      await restoredRooms.close();
      expect(objects.map(lineOf)).toEqual([]);
    } finally {
      await there.close();
    }
  });

  it('is reported by a role that cannot write, with the grants that it lacks', async () => {
    await query(url, `CREATE ROLE reader LOGIN PASSWORD 'hush-reader'`);
    const reader = await openRooms(url.replace(/\/\/[^@]*@/, '//reader:hush-reader@'));
    try {
      expect(await reader.get(DriftService).recordAfter('deploy')).toEqual({
        recorded: false,
        notRecorded:
          'Cannot record the structure: role "reader" cannot write to pgkeep.catalogue_fingerprint. ' +
          'Grant it: GRANT SELECT, INSERT, UPDATE, DELETE ON pgkeep.catalogue_fingerprint TO "reader"; Then run `pgkeep migrate drift --accept`.',
      });
      expect(
        await reader.get(DatabaseService).read(reader.get(DatabaseService).primary, 'SELECT 1'),
      ).toHaveLength(1);
    } finally {
      await reader.close();
    }
  });
});

function lineOf({ change, home, object, was, is }: DriftedObject): string {
  const sign = { added: '+', missing: '-', changed: '~' }[change];
  const definition = change === 'changed' ? `${was} -> ${is}` : (was ?? is);
  return `${sign} ${home === '' ? '' : `${home} `}${object} | ${definition}`;
}

/** Returns the pattern itself if the line matches it. */
function asExpected(line: string, expected: string | RegExp | undefined): string | RegExp {
  return typeof expected === 'object' && expected.test(line) ? expected : line;
}
