import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseDatabaseUrl } from '../../src/config/database-url.js';
import { withConnection } from '../../src/postgres/connect.js';
import { reachedServer } from '../../src/postgres/session.js';
import { Archive } from '../../src/restore/archive/archive.js';
import { readSettingNames, restrictLine, withKnownSettings } from '../../src/restore/archive/dump-filters.js';
import { parseArchiveHeader } from '../../src/restore/archive/dump-format.js';
import { RestoreService } from '../../src/restore/restore/restore.service.js';
import { withApp } from '../support/app.js';
import { backupDirectory } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

/** Made by pg_dump 17.12 of a PostgreSQL 15.18. */
const PLAIN = path.resolve('test/restore/fixtures/pg_dump-17.sql.gz');
const CUSTOM = path.resolve('test/restore/fixtures/pg_dump-17.dump');

async function cleaned(
  text: string,
  known: readonly string[],
  chunk = text.length,
): Promise<[string, string[]]> {
  const leftOut: string[] = [];
  async function* source(): AsyncGenerator<Buffer> {
    for (let start = 0; start < text.length; start += chunk)
      yield Buffer.from(text.slice(start, start + chunk));
  }
  const rules = { known: new Set(known), restrict: '', onLeftOut: (name: string) => void leftOut.push(name) };
  let kept = '';
  for await (const piece of withKnownSettings(source(), rules)) kept += piece.toString();
  return [kept, leftOut];
}

describe('a dump of a newer pg_dump than the server', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  it('is stripped of settings that the server does not have, except in function bodies', async () => {
    const text = gunzipSync(readFileSync(PLAIN)).toString();
    const known = text.match(/^SET \w+/gm)?.map((line) => line.slice(4)) ?? [];
    expect(known).toContain('transaction_timeout');
    const others = known.filter((name) => name !== 'transaction_timeout');
    for (const chunk of [text.length, 7]) {
      const [kept, leftOut] = await cleaned(text, others, chunk);
      expect(leftOut).toEqual(['transaction_timeout']);
      expect(kept).toBe(text.replace('SET transaction_timeout = 0;\n', ''));
      expect(kept).toContain('BEGIN\nSET transaction_timeout = 0;\nEND');
    }
    expect(await cleaned(text, known)).toEqual([text, []]);
    const empty = 'SET transaction_timeout = 0;\nSET xmloption = content;\n';
    expect(await cleaned(empty, ['xmloption'])).toEqual([
      'SET xmloption = content;\n',
      ['transaction_timeout'],
    ]);
  });

  it('is restored, and what was left out is reported', async () => {
    const url = await createDatabase(own, 'orchard');
    const environment = { BACKUP_DIR: backupDirectory(), PATH: process.env['PATH'] };
    const restored = await withApp(
      url,
      (app) => app.get(RestoreService).restore({ source: PLAIN }),
      environment,
    );
    expect(restored.notes).toEqual([
      expect.stringMatching(
        /^left out the setting transaction_timeout, which PostgreSQL 15 does not have \(restored with psql 15\.\d+\)$/,
      ),
      'the dump has no manifest: only its foreign keys were checked',
    ]);
    const { rows } = await query(
      url,
      `SELECT (SELECT string_agg(name, ' ' ORDER BY id) FROM trees) AS names,
              (SELECT prosrc FROM pg_proc WHERE proname = 'impatient') AS body,
              (SELECT count(*)::int FROM pg_largeobject_metadata) AS objects`,
    );
    expect(rows).toEqual([
      { names: 'pear quince', body: '\nBEGIN\nSET transaction_timeout = 0;\nEND ', objects: 1 },
    ]);
  });

  it('in which a statement fails: the entry is named, whatever lines were left out before it', async () => {
    const url = await createDatabase(own, 'orchard_3');
    const file = path.join(backupDirectory(), 'broken.sql');
    writeFileSync(
      file,
      gunzipSync(readFileSync(PLAIN))
        .toString()
        .replace('SET transaction_timeout = 0;\n', 'SET transaction_timeout = 0;\n'.repeat(20))
        .replace('LANGUAGE plpgsql', 'LANGUAGE plnone'),
    );
    const signal = new AbortController().signal;
    const archive = await Archive.open(file, { searchPath: process.env['PATH'] ?? '', signal });
    const options = { connectTimeoutMs: 10_000, answerTimeoutMs: 0, applicationName: 'pgkeep test' };
    await withConnection(parseDatabaseUrl(url), options, async (client) => {
      const target = {
        url: parseDatabaseUrl(url),
        server: reachedServer(client),
        serverVersion: '15.18',
        serverSettings: await readSettingNames(client),
        withOwners: true,
      };
      const renew = async (): Promise<void> => {
        await client.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
      };
      expect(await archive.restoreWhatCan(target, renew)).toEqual([
        {
          entry: 'function:public.impatient()',
          message: 'language "plnone" does not exist',
          statement: 'CREATE FUNCTION public.impatient() RETURNS void',
          running: undefined,
        },
      ]);
    });
    const { rows } = await query(url, `SELECT string_agg(name, ' ' ORDER BY id) AS names FROM trees`);
    expect(rows).toEqual([{ names: 'pear quince' }]);
  });

  it('in PostgreSQL’s own format: the required program is read from its header', async () => {
    expect(parseArchiveHeader(readFileSync(CUSTOM))).toEqual({
      serverVersion: '15.18',
      pgDumpVersion: '17.12',
    });
    expect(parseArchiveHeader(readFileSync(CUSTOM).subarray(0, 40))).toBeUndefined();
    const url = await createDatabase(own, 'orchard_2');
    const environment = { BACKUP_DIR: backupDirectory(), PATH: '/usr/bin:/bin' };
    const restoring = withApp(url, (app) => app.get(RestoreService).restore({ source: CUSTOM }), environment);
    // With the programs of PostgreSQL 15 only, which refuse its format; the heavy suite uses those of 17.
    await expect(restoring).rejects.toMatchObject({
      code: 'BACKUP_TOOLS_MISSING',
      message: expect.stringMatching(
        /^Cannot find pg_restore of PostgreSQL 17 or newer on this machine; found: 15\.\d+ \(\S+\)\.$/,
      ),
      hint: 'Install it: apt-get install postgresql-client-17.',
    });
  });

  it('cannot make psql run meta-commands, if psql supports \\restrict', () => {
    const at = (version: string): string =>
      restrictLine({ major: Number.parseInt(version, 10), version }, 'k');
    expect(['15.13', '15.14', '16.9', '17.6', '18.0', '12.22'].map(at)).toEqual([
      '',
      '\\restrict k\n',
      '',
      '\\restrict k\n',
      '\\restrict k\n',
      '',
    ]);
  });
});
