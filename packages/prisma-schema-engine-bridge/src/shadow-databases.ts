import { randomUUID } from 'node:crypto';
import { type Client, escapeIdentifier } from 'pg';
import { type EngineDatabase, withClient } from './engine-database.js';
import { EngineSession } from './engine-session.js';
import { type FailureMemory, messageOf, SchemaEngineError } from './errors.js';

const OWN_SCHEMAS = `SELECT nspname AS name FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'`;
const IDENTITY = `
  SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()), oid) AS identity
    FROM pg_database WHERE datname = current_database()`;

/**
 * The empty databases in which Prisma replays a migration history. Made beside the main database and dropped
 * afterEnd, or, where the configuration names one (`shadowEngineDatabase`), that one, emptied first.
 *
 * The stock adapter's own shadow connection passes a connection string on, which wins over the database's name:
 * it replays the history in the main database.
 */
export class ShadowDatabases {
  private readonly created = new Set<string>();
  private readonly opened = new Set<EngineSession>();

  constructor(
    private readonly main: EngineDatabase,
    private readonly configured: EngineDatabase | undefined,
    private readonly failures: FailureMemory,
  ) {}

  /** Returns the sessions that are open. */
  get sessions(): readonly EngineSession[] {
    return [...this.opened];
  }

  /**
   * Opens a session on an empty database; disposing of the session drops the database.
   * @throws SchemaEngineError `P3014` when the role may not create a database; without a code when the configured one
   *   is the main database.
   */
  async open(): Promise<EngineSession> {
    if (this.configured) return await this.openConfigured(this.configured);
    const database = `prisma_migrate_shadow_db_${randomUUID()}`;
    this.created.add(database);
    await withClient(this.main, async (client) => this.create(client, database));
    return await this.openSession(this.main.sibling(database), () => this.drop(database));
  }

  /** Ends the sessions and drops the databases that are left, even while others are connected to them. */
  async closeAll(): Promise<void> {
    await Promise.allSettled([...this.opened].map((session) => session.dispose()));
    await Promise.allSettled([...this.created].map((database) => this.drop(database)));
  }

  private async openSession(
    database: EngineDatabase,
    afterEnd?: () => Promise<void>,
  ): Promise<EngineSession> {
    const session = await EngineSession.open(database, {
      failures: this.failures,
      afterEnd: async () => {
        this.opened.delete(session);
        await afterEnd?.();
      },
    });
    this.opened.add(session);
    return session;
  }

  private async create(client: Client, database: string): Promise<void> {
    try {
      await client.query(`CREATE DATABASE ${escapeIdentifier(database)}`);
    } catch (thrown) {
      this.created.delete(database);
      throw new SchemaEngineError(
        'Prisma Migrate could not create the shadow database. Please make sure the database user has ' +
          'permission to create databases. Read more about the shadow database (and workarounds) at ' +
          `https://pris.ly/d/migrate-shadow\n\nOriginal error: \nERROR: ${messageOf(thrown)}`,
        { prismaCode: 'P3014', databaseMessage: messageOf(thrown), cause: thrown },
      );
    }
  }

  private async drop(database: string): Promise<void> {
    if (!this.created.has(database)) return;
    await withClient(this.main, (client) =>
      client.query(`DROP DATABASE IF EXISTS ${escapeIdentifier(database)} WITH (FORCE)`),
    );
    this.created.delete(database);
  }

  private async openConfigured(shadow: EngineDatabase): Promise<EngineSession> {
    // One database can have several host names, but only one identity on its server.
    if ((await identityOf(shadow)) === (await identityOf(this.main))) {
      throw new SchemaEngineError(
        'The shadow database you configured appears to be the same as the main database. ' +
          'Please specify another shadow database.',
      );
    }
    await withClient(shadow, empty);
    return await this.openSession(shadow);
  }
}

async function identityOf(database: EngineDatabase): Promise<string | undefined> {
  const { rows } = await withClient(database, (client) => client.query<{ identity: string }>(IDENTITY));
  return rows[0]?.identity;
}

async function empty(client: Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(OWN_SCHEMAS);
  const drops = rows.map(({ name }) => `DROP SCHEMA ${escapeIdentifier(name)} CASCADE;`);
  await client.query(`${drops.join('\n')}\nCREATE SCHEMA public;`);
}
