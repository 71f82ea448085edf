import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findPostgresBinaries } from '../../src/cluster/postgres-binaries.js';
import { run } from '../../src/core/process/run.js';
import { createDatabase } from './clinic.js';
import type { ThrowAwayCluster } from './throw-away-cluster.js';

const BINARIES = findPostgresBinaries(path.resolve('.pgkeep'), process.env['PATH'] ?? '');
const ENVIRONMENT = { PATH: process.env['PATH'], LC_ALL: 'C', LD_LIBRARY_PATH: BINARIES.libraryPath };

/** @throws Error if it fails. */
async function command(binary: string, argv: readonly string[], cwd: string): Promise<string> {
  const { exitCode, stdout, stderrTail } = await run(binary, argv, { cwd, env: ENVIRONMENT });
  if (exitCode !== 0) throw new Error(`${binary} ${argv.join(' ')} ended with ${exitCode}: ${stderrTail}`);
  return stdout;
}

/** Installs a Debian package if a file of it is missing; needs root. */
export async function installPackage(name: string, file: string): Promise<void> {
  if (existsSync(file)) return;
  await command('apt-get', ['update'], tmpdir());
  await command('apt-get', ['install', '--yes', '--no-install-recommends', name], tmpdir());
}

/**
 * Fetches PostgreSQL's regression tests: Debian's source package of the major version, from the mirrors that this
 * machine uses for binaries, in separate directories.
 * @returns the directory `src/test/regress`.
 */
async function fetchRegressionTests(major: string): Promise<string> {
  const directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-postgresql-source-'));
  const at = (...parts: string[]): string => path.join(directory, ...parts);
  for (const part of ['sources', 'lists/partial', 'cache/archives/partial'])
    mkdirSync(at(part), { recursive: true });
  const files = [
    '/etc/apt/sources.list',
    ...readdirSync('/etc/apt/sources.list.d').map((name) => `/etc/apt/sources.list.d/${name}`),
  ].filter((file) => existsSync(file) && /debian/.test(readFileSync(file, 'utf8')));
  for (const file of files) {
    const text = readFileSync(file, 'utf8');
    writeFileSync(
      at('sources', path.basename(file)),
      text.replaceAll(/^Types: deb$/gm, 'Types: deb-src').replaceAll(/^deb /gm, 'deb-src '),
    );
  }
  const options = [
    ['Dir::Etc::sourcelist', '/dev/null'],
    ['Dir::Etc::sourceparts', at('sources')],
    ['Dir::State::lists', at('lists')],
    ['Dir::Cache', at('cache')],
  ].flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  await command('apt-get', [...options, 'update'], directory);
  const version = await command(
    'dpkg-query',
    ['--show', '--showformat=${Version}', `postgresql-${major}`],
    directory,
  );
  await command(
    'apt-get',
    [...options, 'source', '--download-only', `postgresql-${major}=${version.trim()}`],
    directory,
  );
  const archive = readdirSync(directory).find((name) => name.includes('.orig.tar.')) ?? '';
  await command('tar', ['xf', archive, '--wildcards', '*/src/test/regress/*'], directory);
  const tree = readdirSync(directory).find((name) => existsSync(at(name, 'src', 'test', 'regress'))) ?? '';
  return at(tree, 'src', 'test', 'regress');
}

/**
 * The database that PostgreSQL's own regression tests leave, without those that need their C library.
 * @returns its URL.
 */
export async function createRegressionDatabase(own: ThrowAwayCluster, major: string): Promise<string> {
  const source = await fetchRegressionTests(major);
  const url = await createDatabase(own, 'regression');
  const built = mkdtempSync(path.join(tmpdir(), 'pgkeep-regression-'));
  mkdirSync(path.join(built, 'results'));
  cpSync(path.join(source, 'data'), path.join(built, 'data'), { recursive: true });
  const { host, port, superuser, password } = own.cluster;
  const env = {
    ...ENVIRONMENT,
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: superuser,
    PGPASSWORD: password,
    PGDATABASE: 'regression',
    PGTZ: 'PST8PDT',
    PGDATESTYLE: 'Postgres, MDY',
    PG_ABS_SRCDIR: source,
    PG_ABS_BUILDDIR: built,
    PG_LIBDIR: path.resolve(BINARIES.bin, '../lib'),
    PG_DLSUFFIX: '.so',
  };
  const schedule = readFileSync(path.join(source, 'parallel_schedule'), 'utf8');
  const tests = [...schedule.matchAll(/^test:(.*)$/gm)].flatMap(([, names = '']) =>
    names.trim().split(/\s+/),
  );
  for (const test of tests) {
    const file = path.join(source, 'sql', `${test}.sql`);
    // Some statements fail on purpose, others because the C library is missing.
    if (existsSync(file)) {
      await run(path.join(BINARIES.bin, 'psql'), ['-X', '-q', '-f', file], { cwd: source, env });
    }
  }
  return url;
}
