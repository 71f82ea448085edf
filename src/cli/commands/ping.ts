import { DatabaseService } from '../../postgres/database.service.js';
import type { Verb } from '../verb.js';

/** `pgkeep ping`: connects once and shows which server answered. */
export const pingVerb: Verb = {
  declare: (command) => command,
  run: async (app) => {
    const { version, database, role, latencyMs, inRecovery, tls } = await app.get(DatabaseService).ping();
    const kind = inRecovery ? 'replica' : 'primary';
    const encryption = tls.protocol ?? 'no TLS';
    return {
      json: { version, database, role, latencyMs, kind, tls: tls.protocol ?? null },
      text: `PostgreSQL ${version} (${kind}), database "${database}", role "${role}", ${encryption}, ${latencyMs} ms`,
    };
  },
};
