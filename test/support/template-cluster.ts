import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { Cluster, type ClusterOptions } from '../../src/cluster/cluster.js';
import { makePrivateDirectory, unprivilegedUser } from '../../src/cluster/data-directory.js';
import { parseDatabaseUrl } from '../../src/config/database-url.js';
import { applyMigrations } from '../../src/migrations/schema-engine.js';
import { crc32c } from './crc32c.js';
import { until } from './until.js';

/** The guarded sample application's migrations. */
export const CLINIC_MIGRATIONS = path.resolve('examples/clinic/prisma/migrations');

/** Databases of every throw-away cluster from which others are created. No session connects to them. */
export const CLINIC_TEMPLATE = 'template_clinic';
export const SEEDED_CLINIC_TEMPLATE = 'template_clinic_seeded';

/** Where this test run keeps its clusters (scripts/lib/jest.mjs). */
export const CLUSTERS_DIRECTORY = process.env['PGKEEP_TEST_CLUSTERS'] ?? tmpdir();
const DIRECTORY = path.join(CLUSTERS_DIRECTORY, 'pgkeep-template-cluster');
const BEING_MADE = `${DIRECTORY}.lock`;
const MAKING_DEADLINE_MS = 60_000;

type StartOptions = Pick<ClusterOptions, 'binaries' | 'settings'>;

/**
 * Copies the run's template cluster, made when it is first needed, into a cluster's directory: a tenth of the time that
 * initdb and the clinic's migrations take. As initdb would, it gives the copy a system identifier that no other has.
 */
export async function copyTemplateCluster(directory: string, options: StartOptions): Promise<void> {
  await makeTemplateCluster(options);
  makePrivateDirectory(directory, unprivilegedUser());
  const data = path.join(directory, 'data');
  execFileSync('cp', ['-a', '--reflink=auto', path.join(DIRECTORY, 'data'), data]);
  giveSystemIdentifier(data);
}

async function makeTemplateCluster(options: StartOptions): Promise<void> {
  if (existsSync(DIRECTORY)) return;
  try {
    mkdirSync(BEING_MADE);
  } catch {
    await until(() => existsSync(DIRECTORY), MAKING_DEADLINE_MS, 'the template cluster');
    return;
  }
  const aside = `${DIRECTORY}.making`;
  rmSync(aside, { recursive: true, force: true });
  mkdirSync(aside);
  chmodSync(aside, 0o711);
  const cluster = await Cluster.start({ ...options, directory: aside });
  try {
    await createTemplates(cluster);
  } finally {
    await cluster.stop();
  }
  renameSync(aside, DIRECTORY);
}

async function createTemplates(cluster: Cluster): Promise<void> {
  const url = (database: string): string => cluster.url(database);
  await execute(url('postgres'), `CREATE DATABASE ${CLINIC_TEMPLATE} TEMPLATE template0`);
  await applyMigrations({ database: parseDatabaseUrl(url(CLINIC_TEMPLATE)), directory: CLINIC_MIGRATIONS });
  await execute(url('postgres'), `CREATE DATABASE ${SEEDED_CLINIC_TEMPLATE} TEMPLATE ${CLINIC_TEMPLATE}`);
  const seed = readFileSync(path.resolve('examples/clinic/prisma/seed.sql'), 'utf8');
  await execute(url(SEEDED_CLINIC_TEMPLATE), seed);
  await execute(url(SEEDED_CLINIC_TEMPLATE), 'ANALYZE');
  await execute(
    url('postgres'),
    `UPDATE pg_database SET datistemplate = true, datallowconn = false
     WHERE datname IN ('${CLINIC_TEMPLATE}', '${SEEDED_CLINIC_TEMPLATE}')`,
  );
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** Where the first page of a WAL segment holds the system identifier (XLogLongPageHeaderData). */
const WAL_IDENTIFIER_OFFSET = 24;

/**
 * Writes a random system identifier into a data directory that was shut down: into pg_control and every WAL segment.
 */
function giveSystemIdentifier(data: string): void {
  const identifier = randomBytes(8);
  // As initdb's: PostgreSQL shows it as a signed number.
  identifier.writeUInt8(identifier.readUInt8(7) & 0x7f, 7);
  const controlFile = path.join(data, 'global/pg_control');
  const control = readFileSync(controlFile);
  const checksumAt = checksumOffset(control);
  identifier.copy(control, 0);
  control.writeUInt32LE(crc32c(control.subarray(0, checksumAt)), checksumAt);
  writeFileSync(controlFile, control);
  const wal = path.join(data, 'pg_wal');
  for (const name of readdirSync(wal).filter((file) => /^[0-9A-F]{24}$/.test(file))) {
    const segment = readFileSync(path.join(wal, name));
    identifier.copy(segment, WAL_IDENTIFIER_OFFSET);
    writeFileSync(path.join(wal, name), segment);
  }
}

/**
 * The offset of pg_control's checksum, which differs between PostgreSQL's versions: it follows the data that it covers.
 */
function checksumOffset(control: Buffer): number {
  for (let offset = 200; offset < 512; offset += 4) {
    if (control.readUInt32LE(offset) === crc32c(control.subarray(0, offset))) return offset;
  }
  throw new Error('pg_control has no checksum where PostgreSQL writes one');
}
