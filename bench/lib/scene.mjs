import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { CertificateAuthority } from '../../dist/cluster/certificates.js';
import { Cluster } from '../../dist/cluster/cluster.js';
import { freePort } from '../../dist/cluster/postmaster.js';
import { findPostgresBinaries } from '../../dist/cluster/postgres-binaries.js';
import { CLINIC_MIGRATIONS, openClinic } from '../../dist/service/clinic.js';
import { root } from '../../scripts/lib/project.mjs';

const DAY_MS = 86_400_000;

/**
 * The environment of a run: a directory below the system's temporary one, a PostgreSQL with TLS, and the clean-up at
 * the end.
 */
export class Scene {
  /** @type {(() => unknown)[]} */
  #endings = [];
  #isClosed = false;
  /** Databases that a measure has created and another may use. */
  databases = new Set();
  directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-bench-'));
  rootCertificateFile = path.join(this.directory, 'root.crt');
  binaries = findPostgresBinaries(path.join(root, '.pgkeep'), process.env.PATH ?? '');
  clinicMigrations = CLINIC_MIGRATIONS;

  constructor() {
    // PostgreSQL's unprivileged user must be able to pass through, where the bench runs as root.
    chmodSync(this.directory, 0o711);
    this.atEnd(() => rmSync(this.directory, { recursive: true, force: true }));
  }

  /** @returns {Cluster} */
  get cluster() {
    if (!this.startedCluster) throw new Error('the cluster was not started');
    return this.startedCluster;
  }

  /** Starts PostgreSQL, and creates the sample application's database in it. */
  async startCluster() {
    const now = Date.now();
    const validity = { notBefore: new Date(now - DAY_MS), notAfter: new Date(now + DAY_MS) };
    const authority = await CertificateAuthority.create(validity);
    const hosts = ['localhost', '127.0.0.1'];
    const server = await authority.issue({ commonName: 'localhost', hosts, ...validity });
    writeFileSync(this.rootCertificateFile, authority.certificate);
    this.startedCluster = await Cluster.start({
      directory: path.join(this.directory, 'cluster'),
      binaries: this.binaries,
      settings: {
        fsync: 'off',
        synchronous_commit: 'off',
        full_page_writes: 'off',
        // The statement log shows by it which program sent a statement.
        log_line_prefix: '%a: ',
      },
      tls: { ...server, root: authority.certificate },
    });
    this.atEnd(() => this.cluster.destroy());
    this.clinicUrl = await openClinic(this, 'clinic');
  }

  /**
   * The URL of a database, with verified TLS.
   *
   * @param {string} database
   */
  url(database) {
    return this.cluster.url(database, { sslmode: 'verify-full', sslrootcert: this.rootCertificateFile });
  }

  /**
   * Runs statements, one after the other, on a new connection.
   *
   * @param {string} database
   * @param {readonly string[]} statements
   */
  async execute(database, statements) {
    const client = new pg.Client({ connectionString: this.url(database), application_name: 'bench' });
    await client.connect();
    try {
      for (const statement of statements) await client.query(statement);
    } finally {
      await client.end();
    }
  }

  /**
   * Returns the environment with which PostgreSQL's programs connect to a database.
   *
   * @param {string} database
   */
  libpq(database) {
    return {
      LD_LIBRARY_PATH: this.binaries.libraryPath,
      PGHOST: this.cluster.host,
      PGPORT: String(this.cluster.port),
      PGUSER: this.cluster.superuser,
      PGPASSWORD: this.cluster.password,
      PGDATABASE: database,
      PGSSLMODE: 'verify-full',
      PGSSLROOTCERT: this.rootCertificateFile,
    };
  }

  async freePort() {
    return await freePort();
  }

  /**
   * Registers a clean-up for the end, in reverse order.
   *
   * @param {() => unknown} ending
   */
  atEnd(ending) {
    this.#endings.push(ending);
    // If a measure was interrupted, what it starts afterwards must end as well.
    if (this.#isClosed) void this.close();
  }

  /** Ends every process and removes every file. */
  async close() {
    this.#isClosed = true;
    for (let ending = this.#endings.pop(); ending; ending = this.#endings.pop()) {
      try {
        await ending();
      } catch (error) {
        console.error(error);
      }
    }
  }
}
