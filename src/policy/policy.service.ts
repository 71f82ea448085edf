import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { loadEnvironment } from '../config/process-environment.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { messageOf, PgkeepError } from '../core/errors.js';
import { findPrismaSchema } from '../migrations/prisma-config/find-prisma-schema.js';
import { withPrismaProject } from '../migrations/prisma-config/with-prisma-project.js';
import type { SchemaFile } from '../prisma-schema/prisma-schema.types.js';
import type { Rules } from '../prisma-schema/rules.js';
import type { PolicyCheck } from './check-policy.js';

/** The rules for tables and columns that the application declares in its Prisma schema (`/// @pgkeep.…`). */
@Injectable()
export class PolicyService {
  private completed: Promise<Settings> | undefined;

  constructor(@Inject(SETTINGS) private readonly settings: Settings) {}

  /**
   * Checks the declared rules without a database: misspelled words, contradictions, values of people that nothing
   * classifies, optional owners.
   * @throws PgkeepError `SCHEMA_NOT_FOUND`.
   */
  async check(): Promise<PolicyCheck> {
    // Loaded here: the start of the service needs none of it.
    const [{ checkPolicy }, { readPrismaSchema }] = await Promise.all([
      import('./check-policy.js'),
      import('../prisma-schema/read-prisma-schema.js'),
    ]);
    return checkPolicy(readPrismaSchema(await this.schemaFiles()));
  }

  /** Returns the declared rules. @throws PgkeepError `SCHEMA_NOT_FOUND`. */
  async rules(): Promise<Rules> {
    const [{ readPrismaSchema }, { readRules }] = await Promise.all([
      import('../prisma-schema/read-prisma-schema.js'),
      import('../prisma-schema/rules.js'),
    ]);
    return readRules(readPrismaSchema(await this.schemaFiles()));
  }

  /** Completes the settings of a service, which evaluates the application's Prisma configuration only for this. */
  private async withProject(): Promise<Settings> {
    if (this.settings.prisma.kind !== 'not-evaluated') return this.settings;
    this.completed ??= withPrismaProject(this.settings, loadEnvironment().environment, { isOptional: true });
    return await this.completed;
  }

  private async schemaFiles(): Promise<SchemaFile[]> {
    const location = await findPrismaSchema(await this.withProject());
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
