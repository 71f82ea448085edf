import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { findPostgresBinaries } from '../../src/cluster/postgres-binaries.js';
import { createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { migrationCorpus } from '../support/migration-corpus.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const BINARIES = findPostgresBinaries(path.resolve('.pgkeep'), process.env['PATH'] ?? '');
/** Thirty of each of the fourteen kinds. */
const ROUNDS = 30;

jest.setTimeout(180_000);

describe('a long history', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  const stock = (program: string, argv: readonly string[]): string =>
    execFileSync(path.join(BINARIES.bin, program), argv, {
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', LD_LIBRARY_PATH: BINARIES.libraryPath },
      encoding: 'utf8',
      maxBuffer: 1e9,
    });
  /** The database's structure; newer programs write a random word into \restrict. */
  const structure = (url: string): string =>
    stock('pg_dump', ['-s', '--exclude-table=_prisma_migrations', url]).replaceAll(
      /^\\(?:un)?restrict .*\n/gm,
      '',
    );

  it('of 420 migrations results in the same structure, byte for byte, as with psql', async () => {
    const corpus = migrationCorpus(ROUNDS);
    const deployed = new DeployedApplication(await createDatabase(own, 'deployed'), { clinic: false });
    for (const { name, sql } of corpus) deployed.add(name, sql);
    const { code, stdout, stderr } = await deployed.quickly(['--json']);
    expect({ code, failed: code === 0 ? '' : stderr.slice(-2000) }).toEqual({ code: 0, failed: '' });
    expect(JSON.parse(stdout)).toMatchObject({ applied: corpus.map(({ name }) => name), retries: 0 });

    const byPsql = await createDatabase(own, 'by_psql');
    const files = corpus.flatMap(({ name }) => ['-f', path.join(deployed.migrations, name, 'migration.sql')]);
    stock('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', ...files, byPsql]);

    const expected = structure(byPsql);
    expect(expected.length).toBeGreaterThan(100_000);
    expect(structure(deployed.url) === expected).toBe(true);
    const { rows } = await query(
      deployed.url,
      'SELECT count(*)::int AS rows, sum(applied_steps_count)::int AS steps, count(finished_at)::int AS finished FROM _prisma_migrations',
    );
    expect(rows).toEqual([{ rows: corpus.length, steps: corpus.length, finished: corpus.length }]);
  });
});
