import { byLabel, byLabels, type Metric, single } from './metric.js';

/** What the checks of `/ready` know: of the service, the database and its migrations. */
export const SERVICE_METRICS: readonly Metric[] = [
  byLabels({
    name: 'pgkeep_build_info',
    type: 'gauge',
    help: 'Always 1. The labels have the versions of pgkeep and of the server, and what is guarded.',
    labels: ['version', 'server', 'environment', 'database'],
    read: ({ version, environment, database, learned }) => [
      { labels: { version, server: learned?.server?.value.version ?? '', environment, database }, value: 1 },
    ],
  }),
  single(
    {
      name: 'pgkeep_up',
      type: 'gauge',
      help: '1 if the database answered the last evaluation of the checks.',
    },
    ({ learned }) => learned?.isConnected,
  ),
  single(
    { name: 'pgkeep_ready', type: 'gauge', help: '1 if /ready answers 200.' },
    ({ verdict }) => verdict.status === 'ready',
  ),
  byLabel(
    {
      name: 'pgkeep_check_ok',
      type: 'gauge',
      help: '1 if the check of /ready holds, whatever its gate.',
      label: 'check',
    },
    ({ verdict }) => Object.entries(verdict.checks).map(([check, { ok }]) => [check, ok]),
  ),
  single(
    {
      name: 'pgkeep_evaluated_timestamp_seconds',
      type: 'gauge',
      help: 'When the checks of /ready were evaluated last.',
    },
    ({ learned }) => learned?.evaluatedAt,
  ),
  byLabel(
    {
      name: 'pgkeep_learned_timestamp_seconds',
      type: 'gauge',
      help: 'When a fact was learned last. Its metrics keep their values while asking again fails.',
      label: 'fact',
    },
    ({ learned }) => [
      ['server', learned?.server?.at],
      ['migrations', learned?.migrations?.at],
      ['drift', learned?.drift?.at],
      ['backups', learned?.backups?.at],
      ['jobs', learned?.jobs?.at],
      ['restore_tests', learned?.restoreTests?.at],
      ['erasure', learned?.erasure?.at],
    ],
  ),
  byLabel(
    {
      name: 'pgkeep_migrations',
      type: 'gauge',
      help: 'Migrations of this build and of the history, by state.',
      label: 'state',
    },
    ({ learned }) => {
      const status = learned?.migrations?.value;
      return [
        ['applied', status?.applied.length],
        ['pending', status?.pending.length],
        ['failed', status?.failed.length],
        ['rolled_back', status?.rolledBack.length],
        ['edited', status?.edited.length],
        ['unknown', status?.unknown.length],
      ];
    },
  ),
  single(
    {
      name: 'pgkeep_drifted_objects',
      type: 'gauge',
      help: 'Objects of the database that differ from the recorded structure.',
    },
    ({ learned }) => {
      const look = learned?.drift?.value.look;
      return look && 'value' in look && look.value.kind === 'compared'
        ? look.value.objects.length
        : undefined;
    },
  ),
  single(
    {
      name: 'pgkeep_erasure_overdue_rows',
      type: 'gauge',
      help: 'Rows marked as deleted that should have been erased; at most 1,000 of each table are counted.',
    },
    ({ learned }) => learned?.erasure?.value.overdue.reduce((sum, { rows }) => sum + rows, 0),
  ),
  single(
    {
      name: 'pgkeep_failed_logins_total',
      type: 'counter',
      help: 'Failed attempts to sign in, or to use an admin route, since this process was started.',
    },
    ({ failedLogins }) => failedLogins,
  ),
];
