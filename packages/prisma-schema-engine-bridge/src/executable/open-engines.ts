import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { EngineDatabase } from '../engine-database.js';
import { SchemaEngineError } from '../errors.js';
import { SchemaEngine } from '../schema-engine.js';
import { textAt } from './json-rpc.js';

/** Finds the database of a `postgresql://` URL. @throws SchemaEngineError `P1013` when it is not one. */
export type FindDatabase = (url: string) => EngineDatabase;

/** The engines of this process: one per database, opened with the first request that needs it. */
export class OpenEngines {
  private readonly engines = new Map<string, SchemaEngine>();

  constructor(
    private readonly engineArguments: EngineArguments,
    private readonly findDatabase: FindDatabase,
  ) {}

  /**
   * Returns the database of a URL: the request's own, otherwise the datasource's.
   * @throws SchemaEngineError when there is none, or when it is not a URL (`P1013`).
   */
  database(url = this.engineArguments.url): EngineDatabase {
    return this.findDatabase(required(url));
  }

  /**
   * Returns the engine of the request's own database, otherwise of the datasource's.
   * @throws SchemaEngineError `P1000`, `P1001`… when it cannot connect.
   */
  async engine(url = this.engineArguments.url): Promise<SchemaEngine> {
    return await this.openOnce(url, this.engineArguments.shadowUrl);
  }

  /** Returns an engine that replays histories: on the datasource, or where that is not named on the shadow database. */
  async replayingEngine(): Promise<SchemaEngine> {
    const { url, shadowUrl } = this.engineArguments;
    return url === undefined ? await this.openOnce(shadowUrl) : await this.engine();
  }

  /** Returns an engine that needs no database. */
  async offlineEngine(): Promise<SchemaEngine> {
    return await this.once('offline', () => SchemaEngine.offline());
  }

  /** Cancels the running statements. */
  async cancel(): Promise<void> {
    await Promise.all([...this.engines.values()].map((engine) => engine.cancel()));
  }

  /** Ends every session and drops every shadow database. */
  async close(): Promise<void> {
    await Promise.all([...this.engines.values()].map((engine) => engine.close()));
    this.engines.clear();
  }

  private async openOnce(url: string | undefined, shadowUrl?: string): Promise<SchemaEngine> {
    const { datamodels, skipAdvisoryLock } = this.engineArguments;
    const database = this.database(url);
    const shadow = shadowUrl === undefined ? undefined : this.findDatabase(shadowUrl);
    const files = datamodels.map(async (path) => [path, await readFile(path, 'utf8')] as const);
    const options = { datamodels: await Promise.all(files), shadow, skipAdvisoryLock };
    return await this.once(required(url), () => SchemaEngine.open(database, options));
  }

  private async once(key: string, open: () => Promise<SchemaEngine>): Promise<SchemaEngine> {
    const engine = this.engines.get(key) ?? (await open());
    this.engines.set(key, engine);
    return engine;
  }
}

function required(url: string | undefined): string {
  if (url !== undefined) return url;
  throw new SchemaEngineError(
    'The datasource.url property is required in your Prisma config file for this command (is DATABASE_URL set?).',
  );
}

/** The command line that Prisma's CLI starts its engine with. */
interface EngineArguments {
  /** `cli <command>`: run one command and end. Undefined: serve requests until stdin closes. */
  readonly command: string | undefined;
  /** Only the version is asked for. */
  readonly version: boolean;
  /** Paths of the Prisma schema files. */
  readonly datamodels: readonly string[];
  /** The datasource's `url` of prisma.config.ts. Holds a password. */
  readonly url: string | undefined;
  /** The datasource's `shadowDatabaseUrl`. Holds a password. */
  readonly shadowUrl: string | undefined;
  /** PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK is set. */
  readonly skipAdvisoryLock: boolean;
}

/**
 * Reads the command line as Prisma 7's native engine does.
 * @throws Error when `--datasource` is not JSON; its message does not repeat it.
 */
export function readEngineArguments(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): EngineArguments {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    // A flag of a later release must not stop the engine.
    strict: false,
    options: {
      datamodels: { type: 'string', short: 'd', multiple: true },
      datasource: { type: 'string' },
      version: { type: 'boolean', short: 'V' },
      // Both are declared so that their values are not read as commands. Preview features also arrive with the schema
      // files; column types of extensions are not supported.
      'enabled-preview-features': { type: 'string' },
      'extension-types': { type: 'string' },
    },
  });
  const datasource = parseDatasource(values.datasource);
  return {
    command: positionals[0] === 'cli' ? (positionals[1] ?? '') : undefined,
    version: values.version === true,
    datamodels: (values.datamodels ?? []).filter((path) => typeof path === 'string'),
    url: textAt(datasource, 'url'),
    shadowUrl: textAt(datasource, 'shadowDatabaseUrl'),
    skipAdvisoryLock: Boolean(env['PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK']),
  };
}

function parseDatasource(text: string | boolean | undefined): unknown {
  if (typeof text !== 'string') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('--datasource is not valid JSON');
  }
}
