import { connectionError, type EngineDatabase } from '#prisma-schema-engine-bridge';
import { Client } from 'pg';
import { type DatabaseUrl, describeServer } from '../../config/database-url.js';
import { PgkeepError } from '../../core/errors.js';
import { candidateClient, type ConnectionOptions } from '../../postgres/candidate-client.js';
import { CandidateRotation } from '../../postgres/candidate-rotation.js';
import { connectOnce } from '../../postgres/connect.js';

/** How long a connection may take when the URL does not say (`connect_timeout`); Prisma's own default. */
const CONNECT_TIMEOUT_MS = 5000;

/** Lets Prisma's engine reach a database as pgkeep does: several hosts, TLS as in libpq, passwords that change. */
export function engineDatabase(url: DatabaseUrl): EngineDatabase {
  // Without a time limit for answers: a migration may take hours.
  const options: ConnectionOptions = {
    connectTimeoutMs: url.connectTimeoutMs || CONNECT_TIMEOUT_MS,
    answerTimeoutMs: 0,
    applicationName: 'pgkeep schema engine',
    purpose: 'scripts',
  };
  return {
    name: url.database,
    schema: url.schema,
    sibling: (database) => engineDatabase({ ...url, database }),
    connector: () => {
      const rotation = new CandidateRotation(url);
      return {
        connect: async () => await connectOnce(rotation, options),
        Client: candidateClient(rotation, options),
      };
    },
    explain: (thrown) => {
      // An error of pgkeep's has its own text.
      if (thrown instanceof PgkeepError) return thrown;
      // Never connected: it only says which user node-postgres takes where the URL names none.
      const { user = '' } = new Client({ user: url.user });
      return connectionError(thrown, { user, database: url.database, server: describeServer(url) });
    },
  };
}
