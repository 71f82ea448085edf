import { SessionService } from '../../access/session.service.js';
import type { Verb } from '../verb.js';

/** `pgkeep sessions end`: everybody who is signed in to the pages has to sign in again. */
export const sessionsEndVerb: Verb = {
  declare: (command) => command,
  run: async (app) => {
    const report = await app.get(SessionService).revokeAll();
    return {
      json: report,
      text: `All sessions of database "${report.database}" have ended. The service notices within 2 seconds.`,
    };
  },
};
