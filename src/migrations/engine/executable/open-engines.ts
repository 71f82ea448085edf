import { readFile } from 'node:fs/promises';
import { parseDatabaseUrl, type DatabaseUrl } from '../../../config/database-url.js';
import { SchemaEngine } from '../schema-engine.js';
import { SchemaEngineError } from '../schema-engine-error.js';
import type { EngineArguments } from './engine-arguments.js';

/** The engines of this process: one per database asked for, opened with the first request that needs it. */
export class OpenEngines {
  private readonly engines = new Map<string, SchemaEngine>();

  constructor(private readonly engineArguments: EngineArguments) {}

  /**
   * The database of a URL: the request's own, else the datasource's.
   * @throws SchemaEngineError when there is none, or when it is not a URL (`P1013`).
   */
  database(url = this.engineArguments.url): DatabaseUrl {
    if (url === undefined) {
      throw new SchemaEngineError(
        'The datasource.url property is required in your Prisma config file for this command (is DATABASE_URL set?).',
      );
    }
    return parsed(url);
  }

  /**
   * The engine of the request's own database, else of the datasource's.
   * @throws SchemaEngineError `P1000`, `P1001`… when it cannot connect.
   */
  async engine(url = this.engineArguments.url): Promise<SchemaEngine> {
    const { shadowUrl } = this.engineArguments;
    return await this.opened(this.database(url), shadowUrl === undefined ? undefined : parsed(shadowUrl));
  }

  /** An engine that replays histories: beside the datasource, else (none is needed for it) beside the shadow. */
  async replayingEngine(): Promise<SchemaEngine> {
    const { url, shadowUrl } = this.engineArguments;
    return url === undefined ? await this.opened(this.database(shadowUrl)) : await this.engine();
  }

  /** An engine that needs no database. */
  async offlineEngine(): Promise<SchemaEngine> {
    return await this.kept('offline', () => SchemaEngine.offline());
  }

  /** Cancels what is running. */
  async cancel(): Promise<void> {
    await Promise.all([...this.engines.values()].map((engine) => engine.cancel()));
  }

  /** Ends every session and drops every shadow database. */
  async close(): Promise<void> {
    await Promise.all([...this.engines.values()].map((engine) => engine.close()));
    this.engines.clear();
  }

  private async opened(database: DatabaseUrl, shadow?: DatabaseUrl): Promise<SchemaEngine> {
    const { datamodels, skipAdvisoryLock } = this.engineArguments;
    const files = datamodels.map(async (path) => [path, await readFile(path, 'utf8')] as const);
    const options = { datamodels: await Promise.all(files), shadow, skipAdvisoryLock };
    return await this.kept(JSON.stringify(database), () => SchemaEngine.open(database, options));
  }

  private async kept(key: string, open: () => Promise<SchemaEngine>): Promise<SchemaEngine> {
    const engine = this.engines.get(key) ?? (await open());
    this.engines.set(key, engine);
    return engine;
  }
}

function parsed(url: string): DatabaseUrl {
  try {
    return parseDatabaseUrl(url);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'it cannot be read';
    throw new SchemaEngineError(`The provided database string is invalid: ${reason}`, {
      prismaCode: 'P1013',
      cause,
    });
  }
}
