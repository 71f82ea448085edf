/**
 * The process in which a Prisma configuration is evaluated: `node evaluation-process.js WORD WORD FILE LOADER`. The two
 * words are Prisma's command line for a guard in the configuration: `validate --config` changes nothing, and is allowed.
 */
import { pathToFileURL } from 'node:url';
import { messageOf } from '../../core/errors.js';
import { ANSWER_MARK, type Evaluation, type LoadedConfig } from './evaluation.types.js';

// The pipe closes when pgkeep ends, however it ends.
process.stdin.on('end', () => process.exit(1)).resume();

const [, , , , file = '', loader = ''] = process.argv;

/** Prisma's own loader, of the application's version: its answer is checked field by field. */
async function evaluate(): Promise<Evaluation> {
  const module: { loadConfigFromFile?: (input: { configFile: string }) => Promise<LoadedConfig> } =
    await import(pathToFileURL(loader).href);
  if (module.loadConfigFromFile === undefined) {
    return { kind: 'failed', message: 'this version of Prisma has no loader for configurations' };
  }
  const { config, error } = await module.loadConfigFromFile({ configFile: file });
  if (error !== undefined || config === undefined) {
    const cause = error?.error === undefined ? '' : messageOf(error.error);
    return { kind: 'failed', message: cause || 'Prisma’s loader gave no configuration' };
  }
  const { schema, datasource, migrations, tables, enums } = config;
  return {
    kind: 'configured',
    configuration: {
      file,
      schema,
      migrations: migrations?.path,
      initShadowDb: migrations?.initShadowDb ?? '',
      externalTables: tables?.external ?? [],
      externalEnums: enums?.external ?? [],
      url: datasource?.directUrl ?? datasource?.url,
      shadowUrl: datasource?.shadowDatabaseUrl,
    },
  };
}

const answer = await evaluate().catch((error: unknown): Evaluation => ({
  kind: 'failed',
  message: messageOf(error),
}));
// What the configuration left open (a pool, a timer) must not keep the process.
process.stdout.write(`${ANSWER_MARK}${JSON.stringify(answer)}`, () => process.exit(0));
