import { auditLogPage } from './audit-log.js';
import { backupsPage } from './backups.js';
import { activityPage, statementsPage, tablesPage } from './database.js';
import type { Html } from './html.js';
import type { PageName } from './layout.js';
import { migrationsPage } from './migrations.js';
import { restoreTestsPage } from './restore-tests.js';
import type { View } from './view.js';

/** The inside of each page beside the overview. */
export const PAGE_BODIES: Readonly<Record<PageName, (view: View) => Html>> = {
  activity: activityPage,
  backups: backupsPage,
  'restore-tests': restoreTestsPage,
  migrations: migrationsPage,
  statements: statementsPage,
  tables: tablesPage,
  'audit-log': auditLogPage,
};
