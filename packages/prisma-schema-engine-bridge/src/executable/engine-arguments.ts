import { parseArgs } from 'node:util';
import { textAt } from './json-rpc.js';

/** The command line that Prisma's CLI starts its engine with. */
export interface EngineArguments {
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
