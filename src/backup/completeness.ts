import type { Client } from 'pg';
import type { Manifest } from './backup.types.js';
import type { DatabaseFacts } from './database-facts.js';
import { readOmissions, readSubscriptions } from './omissions.js';
import { readSuperuserObjects } from './superuser-objects.js';

/** Reads what a dump by this role will not hold, and what no restore or not every role restores. */
export async function readCompleteness(
  client: Client,
  facts: DatabaseFacts,
): Promise<Required<Pick<Manifest, 'without' | 'subscriptions' | 'superuserObjects'>>> {
  return {
    without: await readOmissions(client, facts),
    subscriptions: facts.isSuperuser ? await readSubscriptions(client) : [],
    superuserObjects: await readSuperuserObjects(client, facts),
  };
}
