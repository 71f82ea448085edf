import type { DeployNeeds } from '../deploy-needs.js';

/** What a rollback needs of the other app. */
export type RollbackNeeds = Omit<DeployNeeds, 'lint'>;
