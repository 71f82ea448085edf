import { Argument } from 'commander';
import { ENVIRONMENTS } from '../../config/settings.js';
import { PgkeepError } from '../../core/errors.js';
import { StampService } from '../../environment/stamp.service.js';
import type { Verb } from '../verb.js';

/** `pgkeep stamp ENV`: records in the database which environment it serves. */
export const stampVerb: Verb = {
  declare: (command) =>
    command
      .addArgument(new Argument('<environment>').choices(ENVIRONMENTS))
      .option('--replace', 'replace the stamp of another environment; needs --target')
      .option('--target <database>', 'the name of the database, as a confirmation'),
  run: async (app, [name], { replace, target }) => {
    const environment = ENVIRONMENTS.find((known) => known === name);
    if (!environment) throw new PgkeepError('USAGE_INVALID', `There is no environment "${name}".`);
    const options = { replace: replace === true, target: typeof target === 'string' ? target : undefined };
    const report = await app.get(StampService).stamp(environment, options);
    const action = report.changed ? 'is now stamped' : 'was already stamped';
    return {
      json: report,
      text: `Database "${report.database}" (oid ${report.databaseOid}, system ${report.systemIdentifier}) ${action} ${environment}.`,
    };
  },
};
