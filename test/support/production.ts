import type { Environment } from '../../src/config/read-settings.js';
import { CLINIC_MIGRATIONS } from './clinic.js';

export const ADMIN_TOKEN = 'a-token-of-more-than-thirty-two-characters';

/** Settings that make a migrated and verified database ready in production; short periods. */
export const PRODUCTION: Environment = {
  NODE_ENV: 'production',
  MIGRATIONS_DIR: CLINIC_MIGRATIONS,
  DATABASE_MAX_CONNECTIONS: '20',
  BACKUP_ENABLED: 'true',
  // These tests are about other checks, and the databases of most of them are never backed up.
  READINESS_GATES: 'backups=warn',
  BACKUP_RETENTION_DAYS: '30',
  LAST_BACKUP_RESTORE_TEST_DATE: new Date(Date.now() - 12 * 86_400_000).toISOString().slice(0, 10),
  ADMIN_API_TOKEN: ADMIN_TOKEN,
  READINESS_REFRESH_MS: '300',
  READINESS_TIMEOUT_MS: '250',
};
