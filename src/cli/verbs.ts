import type { Verb } from './verb.js';

/** A verb as the help lists it. Its code is loaded when the verb is chosen: most of a start is loading. */
export interface VerbEntry {
  readonly name: string;
  readonly description: string;
  /** Loads the verb; left out where the name only groups the verbs below it. */
  readonly load?: () => Promise<Verb>;
  readonly verbs?: readonly VerbEntry[];
  /** Whether the help leaves it out: the earlier spelling of a verb that was renamed. */
  readonly isHidden?: boolean;
}

/** Every verb but `prisma`, `version` and `serve`, in the order of the help. */
export const VERBS: readonly VerbEntry[] = [
  {
    name: 'ready',
    description: 'Check whether the database is safe to serve from. Exit 0: yes, 1: no.',
    load: async () => (await import('./commands/ready.js')).readyVerb,
  },
  {
    name: 'doctor',
    description:
      'Check every line of the deployment checklists. Exit 0: all passed, 1: not. Changes nothing.',
    load: async () => (await import('./commands/doctor.js')).doctorVerb,
  },
  {
    name: 'stats',
    description: 'Show sizes, rows and connections of the database.',
    load: async () => (await import('./commands/stats.js')).statsVerb,
  },
  {
    name: 'monitor',
    description:
      'Look at sessions, locks, sizes, indexes and keys once. Exit 0: nothing needs attention, 1: something does.',
    load: async () => (await import('./commands/monitor.js')).monitorVerb,
    verbs: [
      {
        name: 'test-alert',
        description: 'Send a test to every receiver of alerts. Exit 0: all took it, 1: not.',
        load: async () => (await import('./commands/alerts.js')).testAlertVerb,
      },
      {
        name: 'silence',
        description: 'Send no alerts of a code, or of a code and a subject, for a while.',
        load: async () => (await import('./commands/alerts.js')).silenceVerb,
      },
      {
        name: 'silences',
        description: 'List the silences in force.',
        load: async () => (await import('./commands/alerts.js')).silencesVerb,
      },
      {
        name: 'unsilence',
        description: 'End a silence before its time.',
        load: async () => (await import('./commands/alerts.js')).unsilenceVerb,
      },
    ],
  },
  {
    name: 'ping',
    description: 'Connect to the database once and show which server answered.',
    load: async () => (await import('./commands/ping.js')).pingVerb,
  },
  {
    name: 'install',
    description: 'Create or update schema pgkeep, which holds pgkeep’s records.',
    load: async () => (await import('./commands/install.js')).installVerb,
  },
  {
    name: 'stamp',
    description: 'Record in the database which environment it serves.',
    load: async () => (await import('./commands/stamp.js')).stampVerb,
  },
  {
    name: 'changelog',
    description: 'Show the audit log. --verify: check that it is intact. Exit 0: yes, 1: no.',
    load: async () => (await import('./commands/changelog.js')).changelogVerb,
  },
  {
    name: 'jobs',
    description: 'Show what the service runs on schedule: when it is due, and the last result.',
    load: async () => (await import('./commands/jobs.js')).jobsVerb,
  },
  {
    name: 'sessions',
    description: 'The sessions of those who signed in to the pages.',
    verbs: [
      {
        name: 'end',
        description: 'End every session: everybody has to sign in again.',
        load: async () => (await import('./commands/sessions.js')).sessionsEndVerb,
      },
    ],
  },
  {
    name: 'backup',
    description: 'Back up the database: one snapshot, dumped, stored and verified.',
    load: async () => (await import('./commands/backup.js')).backupVerb,
    verbs: [
      {
        name: 'list',
        description: 'List the backups, newest first.',
        load: async () => (await import('./commands/backup.js')).backupListVerb,
      },
      {
        name: 'verify',
        description: 'Verify every byte of a backup. Exit 0: intact, 1: damaged.',
        load: async () => (await import('./commands/backup-verify.js')).backupVerifyVerb,
      },
      {
        name: 'upload',
        description: 'Copy a backup to the buckets, or every backup that a bucket lacks.',
        load: async () => (await import('./commands/backup.js')).backupUploadVerb,
      },
      {
        name: 'pin',
        description: 'Keep a backup until it is unpinned, whatever the retention rules say.',
        load: async () => (await import('./commands/backup.js')).backupPinVerb,
      },
      {
        name: 'unpin',
        description: 'Apply the retention rules to a pinned backup again.',
        load: async () => (await import('./commands/backup.js')).backupUnpinVerb,
      },
      {
        name: 'prune',
        description: 'Remove the backups that the retention rules do not keep.',
        load: async () => (await import('./commands/backup-prune.js')).backupPruneVerb,
      },
      {
        name: 'globals',
        description:
          'Back up the server’s roles, memberships and tablespaces, which no database’s backup contains.',
        load: async () => (await import('./commands/backup.js')).backupGlobalsVerb,
      },
      {
        name: 'export',
        description: 'Write tables as CSV files, all from one snapshot.',
        load: async () => (await import('./commands/backup.js')).backupExportVerb,
      },
    ],
  },
  {
    name: 'restore',
    description: 'Restore a backup into a new database, compare it, and swap it with the old database.',
    load: async () => (await import('./commands/restore.js')).restoreVerb,
    verbs: [
      {
        name: 'test',
        description: 'Restore a backup into a scratch database and compare. Exit 0: passed, 1: failed.',
        load: async () => (await import('./commands/restore-test.js')).restoreTestVerb,
      },
      {
        name: 'history',
        description: 'List the restore tests and check that their evidence is intact. Exit 0: yes, 1: no.',
        load: async () => (await import('./commands/restore-test.js')).restoreHistoryVerb,
      },
      {
        name: 'tests',
        description: 'The earlier spelling of restore history.',
        /** @deprecated since 0.2 */
        isHidden: true,
        load: async () => (await import('./commands/restore-test.js')).restoreHistoryVerb,
      },
    ],
  },
  {
    name: 'migrate',
    description: 'The application’s migrations.',
    verbs: [
      {
        name: 'status',
        description: 'Compare the migration history with the migrations directory. Exit 0: clean, 1: not.',
        load: async () => (await import('./commands/migrate.js')).migrateStatusVerb,
      },
      {
        name: 'lint',
        description: 'Check migrations before they are applied. Exit 0: no errors, 1: errors.',
        load: async () => (await import('./commands/migrate-lint.js')).migrateLintVerb,
      },
      {
        name: 'create',
        description: 'Write a migration from the schema, and the down.sql that reverts it. Exit 3: refused.',
        load: async () => (await import('./commands/migrate-create.js')).migrateCreateVerb,
      },
      {
        name: 'deploy',
        description:
          'Apply pending migrations: checked, backed up, with timeouts. Exit 1: failed, 3: refused.',
        load: async () => (await import('./commands/migrate.js')).migrateDeployVerb,
      },
      {
        name: 'rollback',
        description:
          'Revert the newest migration with its down.sql: backed up, all or nothing. Exit 3: refused.',
        load: async () => (await import('./commands/migrate-rollback.js')).migrateRollbackVerb,
      },
      {
        name: 'resolve',
        description:
          'Explain failed and rolled-back migrations, or mark one. Exit 1: there are some, 3: refused.',
        load: async () => (await import('./commands/migrate.js')).migrateResolveVerb,
      },
      {
        name: 'drift',
        description:
          'Show changes made outside of migrations, object by object. Exit 0: none, 1: drift, or unknown.',
        load: async () => (await import('./commands/migrate.js')).migrateDriftVerb,
      },
    ],
  },
  {
    name: 'policy',
    description: 'Rules for rows and personal data, declared in the Prisma schema.',
    verbs: [
      {
        name: 'check',
        description: 'Check the declared rules, without a database. Exit 0: consistent, 1: findings.',
        load: async () => (await import('./commands/policy.js')).policyCheckVerb,
      },
      {
        name: 'show',
        description: 'Compare the declared rules with what the database enforces. Exit 0: equal, 1: not.',
        load: async () => (await import('./commands/policy.js')).policyShowVerb,
      },
      {
        name: 'apply',
        description:
          'Make PostgreSQL enforce the declared rules. Exit 1: tables were passed over, 3: refused.',
        load: async () => (await import('./commands/policy.js')).policyApplyVerb,
      },
      {
        name: 'remove',
        description: 'Remove the triggers of one table, with a reason. Exit 3: refused.',
        load: async () => (await import('./commands/policy.js')).policyRemoveVerb,
      },
    ],
  },
  {
    name: 'privacy',
    description: 'What a person may ask for: export, restriction, anonymization, erasure; and legal holds.',
    verbs: [
      {
        name: 'cleanup',
        description: 'Erase marked rows whose grace period is over. Exit 1: some could not be, 3: refused.',
        load: async () => (await import('./commands/privacy-cleanup.js')).privacyCleanupVerb,
      },
      {
        name: 'replay',
        description: 'Erase again what was erased since the backup that was restored. Exit 3: refused.',
        load: async () => (await import('./commands/privacy-replay.js')).privacyReplayVerb,
      },
      {
        name: 'export',
        description: 'Write everything about one record into a file, and a page for people.',
        load: async () => (await import('./commands/privacy.js')).privacyExportVerb,
      },
      {
        name: 'delete',
        description:
          'Mark a record as deleted: hidden, restorable, erased after the grace period. Exit 3: refused.',
        load: async () => (await import('./commands/privacy.js')).privacyDeleteVerb,
      },
      {
        name: 'restore',
        description: 'Remove the mark of a record, and of what was marked with it. Exit 3: refused.',
        load: async () => (await import('./commands/privacy.js')).privacyRestoreVerb,
      },
      {
        name: 'anonymize',
        description: 'Replace the personal values of a record and of what belongs to it. Exit 3: refused.',
        load: async () => (await import('./commands/privacy.js')).privacyAnonymizeVerb,
      },
      {
        name: 'erase',
        description: 'Delete a record and what belongs to it, for good. Exit 3: refused.',
        load: async () => (await import('./commands/privacy.js')).privacyEraseVerb,
      },
      {
        name: 'hold',
        description: 'Keep a record and what belongs to it from erasure, until it is released.',
        load: async () => (await import('./commands/privacy.js')).privacyHoldVerb,
      },
      {
        name: 'release',
        description: 'End the legal hold of a record.',
        load: async () => (await import('./commands/privacy.js')).privacyReleaseVerb,
      },
      {
        name: 'log',
        description: 'Show what was done to one record, or to all, without personal data.',
        load: async () => (await import('./commands/privacy.js')).privacyLogVerb,
      },
    ],
  },
];
