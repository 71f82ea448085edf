import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BackupProgress } from '../../src/backup/backup.types.js';
import { progressBar, progressLine, showProgress } from '../../src/cli/progress.js';
import { run } from '../../src/core/process/run.js';
import { backupDirectory } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { emptyDirectory, runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

const MB = 1_048_576;
const half: BackupProgress = { phase: 'dumping', bytes: 52 * MB, expectedBytes: 100 * MB };

describe('progress', () => {
  it('is a bar if the size is known, and a count if it is not', () => {
    expect(progressBar(half)).toBe('dumping    [============>           ]   52 %  52.0 MB of about 100.0 MB');
    expect(progressBar({ ...half, bytes: 300 * MB })).toBe(
      'dumping    [========================]   99 %  300.0 MB of about 100.0 MB',
    );
    expect(progressBar({ phase: 'reading back', bytes: 100 * MB, expectedBytes: 100 * MB })).toBe(
      'verifying  [========================]  100 %  100.0 MB of 100.0 MB',
    );
    expect(progressBar({ ...half, expectedBytes: undefined })).toBe('dumping    52.0 MB');
    expect(progressBar({ phase: 'copying to the buckets', bytes: null, expectedBytes: undefined })).toBe(
      'copying to the buckets',
    );
    expect(progressLine(half)).toBe('dumping: 52.0 MB of about 100.0 MB, 52 %');
    expect(progressLine({ ...half, expectedBytes: undefined })).toBe('dumping: 52.0 MB');
  });

  it('is a periodic line in the log if there is no terminal', async () => {
    const lines: string[] = [];
    const progress = showProgress({ out: () => undefined, err: (line) => lines.push(line) }, 5);
    progress.listener(half);
    await until(() => lines.length >= 2, 5000, 'two lines');
    progress.end();
    expect(new Set(lines)).toEqual(new Set(['dumping: 52.0 MB of about 100.0 MB, 52 %']));
  });

  it('is cut to the width of the terminal, and removed at the end', () => {
    const drawn: string[] = [];
    const live = { columns: () => 20, draw: (text: string) => void drawn.push(text) };
    const progress = showProgress({ out: () => undefined, err: () => undefined, live });
    progress.listener(half);
    progress.end();
    expect(drawn).toEqual(['dumping    [=======', '']);
  });
});

// A separate terminal, by script(1) of util-linux.
const SCRIPT = '/usr/bin/script';
const onTerminal = existsSync(SCRIPT) ? describe : describe.skip;
onTerminal('pgkeep backup on a terminal', () => {
  let own: ThrowAwayCluster;
  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  it('draws a bar on stderr, removed before the result is printed; without a terminal there is none', async () => {
    const url = await createDatabase(own, 'large');
    await query(url, 'CREATE TABLE t AS SELECT i, md5(i::text) AS v FROM generate_series(1, 300000) i');
    const settings = { DATABASE_URL: url, BACKUP_DIR: backupDirectory() };
    const silent = await runCli(['backup'], settings);
    expect([silent.code, silent.stderr]).toEqual([0, '']);
    const command = `'${process.execPath}' '${path.resolve('dist/cli.js')}' backup 2>&1 >answer; echo ended $?; cat answer`;
    const { exitCode, stdout } = await run(SCRIPT, ['-qec', command, '/dev/null'], {
      cwd: emptyDirectory(),
      env: { PATH: process.env['PATH'], TERM: 'xterm', SHELL: '/bin/sh', ...settings },
    });
    expect(exitCode).toBe(0);
    const shown = stdout.replaceAll('\u{1B}[K', '');
    expect(shown).toMatch(/\rdumping {4}\[=*>? *\] {1,4}\d+ % {2}[^\r]* of about /);
    expect(shown).toContain('\rverifying  [');
    expect(shown).toMatch(/\rended 0\r\nlarge_development_\d{8}_\d{6}: 300,000 rows of /);
  });
});
