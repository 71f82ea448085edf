import type { Verb } from './verb.js';

/** A line of the command line's help. What is behind it is loaded when it is chosen: most of a start is loading. */
export interface VerbEntry {
  readonly name: string;
  readonly description: string;
  /** Loads the verb; left out where the name only groups the verbs below it. */
  readonly load?: () => Promise<Verb>;
  readonly verbs?: readonly VerbEntry[];
}

/** Every verb but `prisma` and `serve`, in the order of the help. */
export const VERBS: readonly VerbEntry[] = [
  {
    name: 'ready',
    description: 'Is the database safe to serve from? Exit 0: yes, 1: no.',
    load: async () => (await import('./commands/ready.js')).readyVerb,
  },
  {
    name: 'stats',
    description: 'What is in the database: sizes, rows, connections.',
    load: async () => (await import('./commands/stats.js')).statsVerb,
  },
  {
    name: 'ping',
    description: 'Connect to the database once, and say what answered.',
    load: async () => (await import('./commands/ping.js')).pingVerb,
  },
  {
    name: 'install',
    description: 'Make or update pgkeep’s own records, in PostgreSQL schema pgkeep.',
    load: async () => (await import('./commands/install.js')).installVerb,
  },
  {
    name: 'stamp',
    description: 'Write into the database which environment it serves.',
    load: async () => (await import('./commands/stamp.js')).stampVerb,
  },
  {
    name: 'changelog',
    description: 'What pgkeep did to the database. --verify: is that record whole? Exit 0: yes, 1: no.',
    load: async () => (await import('./commands/changelog.js')).changelogVerb,
  },
  {
    name: 'jobs',
    description: 'What the service runs by itself: when it is due, and what became of it.',
    load: async () => (await import('./commands/jobs.js')).jobsVerb,
  },
  {
    name: 'backup',
    description: 'Back up the database: one snapshot, dumped, stored and read back.',
    load: async () => (await import('./commands/backup.js')).backupVerb,
    verbs: [
      {
        name: 'list',
        description: 'The backups there are, the newest first.',
        load: async () => (await import('./commands/backup-list.js')).backupListVerb,
      },
      {
        name: 'verify',
        description: 'Read every byte of a backup. Exit 0: it is what was dumped, 1: it is not.',
        load: async () => (await import('./commands/backup-verify.js')).backupVerifyVerb,
      },
      {
        name: 'upload',
        description: 'Copy a backup to the buckets, or every backup that a bucket does not have.',
        load: async () => (await import('./commands/backup-upload.js')).backupUploadVerb,
      },
      {
        name: 'pin',
        description: 'Keep a backup until it is unpinned, whatever retention says.',
        load: async () => (await import('./commands/backup-pin.js')).backupPinVerb,
      },
      {
        name: 'unpin',
        description: 'Let retention decide about a pinned backup again.',
        load: async () => (await import('./commands/backup-pin.js')).backupUnpinVerb,
      },
      {
        name: 'prune',
        description: 'Remove the backups that retention no longer needs.',
        load: async () => (await import('./commands/backup-prune.js')).backupPruneVerb,
      },
      {
        name: 'globals',
        description:
          'Keep the server’s roles, memberships and tablespaces, which are in no database’s backup.',
        load: async () => (await import('./commands/backup-globals.js')).backupGlobalsVerb,
      },
      {
        name: 'export',
        description: 'Write tables as CSV files, all as they were at one moment.',
        load: async () => (await import('./commands/backup-export.js')).backupExportVerb,
      },
    ],
  },
  {
    name: 'restore',
    description: 'Restore a backup: beside the database, checked there, then swapped into its place.',
    load: async () => (await import('./commands/restore.js')).restoreVerb,
    verbs: [
      {
        name: 'test',
        description: 'Restore a backup into a scratch database and compare. Exit 0: it passed, 1: it failed.',
        load: async () => (await import('./commands/restore-test.js')).restoreTestVerb,
      },
      {
        name: 'tests',
        description: 'The restore tests that were made, and whether their chain of evidence is whole.',
        load: async () => (await import('./commands/restore-tests.js')).restoreTestsVerb,
      },
    ],
  },
  {
    name: 'migrate',
    description: 'The guarded application’s migrations.',
    verbs: [
      {
        name: 'status',
        description:
          'The database’s migration history against this build’s directory. Exit 0: clean, 1: not.',
        load: async () => (await import('./commands/migrate-status.js')).migrateStatusVerb,
      },
      {
        name: 'lint',
        description: 'Judge migrations before they are applied. Exit 0: no error, 1: errors.',
        load: async () => (await import('./commands/migrate-lint.js')).migrateLintVerb,
      },
      {
        name: 'create',
        description:
          'Write a migration from the schema, and the down.sql that takes it back. Exit 3: refused.',
        load: async () => (await import('./commands/migrate-create.js')).migrateCreateVerb,
      },
      {
        name: 'deploy',
        description: 'Apply what is pending: judged, backed up, under timeouts. Exit 1: failed, 3: refused.',
        load: async () => (await import('./commands/migrate-deploy.js')).migrateDeployVerb,
      },
      {
        name: 'rollback',
        description:
          'Take the newest migration back by its down.sql: backed up, all or nothing. Exit 3: refused.',
        load: async () => (await import('./commands/migrate-rollback.js')).migrateRollbackVerb,
      },
      {
        name: 'resolve',
        description:
          'Explain failed and rolled back migrations; mark one. Exit 1: there are some, 3: refused.',
        load: async () => (await import('./commands/migrate-resolve.js')).migrateResolveVerb,
      },
      {
        name: 'drift',
        description:
          'What was changed outside of migrations, object by object. Exit 0: nothing, 1: drift, or not known.',
        load: async () => (await import('./commands/migrate-drift.js')).migrateDriftVerb,
      },
    ],
  },
];
