import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Settings } from '../config/settings.js';
import { messageOf, PgkeepError } from '../core/errors.js';
import { counted } from '../core/text.js';
import { findPrismaSchema } from '../migrations/prisma-config/find-prisma-schema.js';
import type { SchemaFile } from '../prisma-schema/prisma-schema.types.js';
import { readPrismaSchema } from '../prisma-schema/read-prisma-schema.js';
import { readRules, type Rules } from '../prisma-schema/rules.js';
import { checkPolicy, obstacles, type PolicyCheck } from './check-policy.js';
import { planPolicy, type TableRule } from './plan-policy.js';

/** Checks the declared rules. @throws PgkeepError `SCHEMA_NOT_FOUND`. */
export async function checkDeclaredRules(settings: Settings): Promise<PolicyCheck> {
  return checkPolicy(readPrismaSchema(await schemaFiles(settings)));
}

/** Reads the rules of the Prisma schema's models. @throws PgkeepError `SCHEMA_NOT_FOUND`. */
export async function readSchemaRules(settings: Settings): Promise<Rules> {
  return readRules(readPrismaSchema(await schemaFiles(settings)));
}

/** Reads the rules of the tables that the Prisma schema declares. @throws PgkeepError `POLICY_INVALID`, `SCHEMA_NOT_FOUND`. */
export async function readDeclaredRules(settings: Settings): Promise<readonly TableRule[]> {
  const rules = await readSchemaRules(settings);
  const faults = obstacles(rules);
  if (faults.length > 0) {
    const lines = faults.map(({ path: file, line, text }) => `${file}:${line}: ${text}`);
    throw new PgkeepError(
      'POLICY_INVALID',
      [`The declared policy has ${counted(faults.length, 'fault')}. Nothing was changed.`, ...lines].join(
        '\n',
      ),
      { hint: 'Correct the Prisma schema; `pgkeep policy check` lists everything.' },
    );
  }
  return planPolicy(rules, settings.database.url.schema);
}

async function schemaFiles(settings: Settings): Promise<SchemaFile[]> {
  const location = await findPrismaSchema(settings);
  if (location.kind === 'found') return await readFiles(location.files);
  const { why, hint } =
    location.kind === 'unknown'
      ? location
      : {
          why: 'there is no prisma/schema.prisma, and no prisma.config.ts that names another file',
          hint: 'Run the command in the application’s directory, or name the configuration with --config.',
        };
  throw new PgkeepError('SCHEMA_NOT_FOUND', `Cannot read the Prisma schema: ${why}.`, { hint });
}

async function readFiles(files: readonly string[]): Promise<SchemaFile[]> {
  return await Promise.all(
    files.map(async (file) => ({ path: path.relative('', file), text: await readText(file) })),
  );
}

/** @throws PgkeepError `SCHEMA_NOT_FOUND`. */
async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new PgkeepError('SCHEMA_NOT_FOUND', `Cannot read the Prisma schema ${file}: ${messageOf(error)}.`, {
      hint: 'Check the path and its permissions.',
    });
  }
}
