import { InstallService } from '../../install/install.service.js';
import type { Verb } from '../verb.js';

/** `pgkeep install`: applies pgkeep's own migrations, in PostgreSQL schema pgkeep. */
export const installVerb: Verb = {
  name: 'install',
  description: 'Make or update pgkeep’s own records, in PostgreSQL schema pgkeep.',
  declare: (command) => command,
  run: async (rooms) => {
    const report = await rooms.get(InstallService).install();
    const { applied } = report;
    return {
      json: report,
      text:
        applied.length === 0
          ? 'Nothing to do: pgkeep’s schema is current.'
          : ['Applied to schema pgkeep:', ...applied.map((name) => `  ${name}`)].join('\n'),
    };
  },
};
