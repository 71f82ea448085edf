import type { DeployNeeds } from '../deploy-needs.js';

/** What a rollback needs of the other rooms. */
export type RollbackNeeds = Omit<DeployNeeds, 'lint'>;
