import { MigrationsService } from '../../migrations/migrations.service.js';
import type { MigrationStatus } from '../../migrations/migrations.types.js';
import { EXIT } from '../errors.js';
import type { Verb } from '../verb.js';

const MEANINGS: Record<keyof MigrationStatus, string> = {
  applied: 'applied',
  pending: 'pending: `pgkeep migrate deploy` applies them',
  failed: 'failed: `pgkeep migrate resolve` shows what was applied and the options',
  rolledBack: 'rolled back and not applied since: `pgkeep migrate deploy` applies them again',
  edited:
    'edited after being applied: restore the file, write a new migration, or accept it with `pgkeep migrate lint --accept-edit`',
  unknown: 'applied, but unknown to this build: the database is ahead',
};

const ORDER = ['applied', 'pending', 'failed', 'rolledBack', 'edited', 'unknown'] as const;

/** `pgkeep migrate status`: the database's history against this build's directory. Exit 1 when it is not clean. */
export const migrateStatusVerb: Verb = {
  prismaProject: 'directory',
  declare: (command) => command,
  run: async (app) => {
    const { history, status } = await app.get(MigrationsService).requireStatus();
    const isClean = status.pending.length + status.failed.length + status.rolledBack.length === 0;
    return {
      json: status,
      text: renderStatus(status, history.rows === undefined ? history.table : undefined),
      exitCode: isClean ? EXIT.done : EXIT.failed,
    };
  },
};

function renderStatus(status: MigrationStatus, missingTable: string | undefined): string {
  const sections = ORDER.filter((state) => status[state].length > 0).map((state) =>
    [`${status[state].length} ${MEANINGS[state]}`, ...status[state].map((name) => `  ${name}`)].join('\n'),
  );
  if (missingTable) sections.unshift(`${missingTable} does not exist: the database was never migrated.`);
  return sections.join('\n');
}
