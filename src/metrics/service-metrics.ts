import { labelled, type Metric, numberOf, single } from './metric.js';

/** What the checks of `/ready` know: of the service, the database and its migrations. */
export const SERVICE_METRICS: readonly Metric[] = [
  labelled({
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
  labelled({
    name: 'pgkeep_check_ok',
    type: 'gauge',
    help: '1 if the check of /ready holds, whatever its gate.',
    labels: ['check'],
    read: ({ verdict }) =>
      Object.entries(verdict.checks).map(([check, { ok }]) => ({ labels: { check }, value: numberOf(ok) })),
  }),
  single(
    {
      name: 'pgkeep_evaluated_timestamp_seconds',
      type: 'gauge',
      help: 'When the checks of /ready were evaluated last.',
    },
    ({ learned }) => learned?.evaluatedAt,
  ),
  labelled({
    name: 'pgkeep_learned_timestamp_seconds',
    type: 'gauge',
    help: 'When a fact was learned last. Its metrics keep their values while asking again fails.',
    labels: ['fact'],
    read: ({ learned }) =>
      FACTS.flatMap(([name, fact]) => {
        const at = learned?.[name]?.at;
        return at ? [{ labels: { fact }, value: numberOf(at) }] : [];
      }),
  }),
  labelled({
    name: 'pgkeep_migrations',
    type: 'gauge',
    help: 'Migrations of this build and of the history, by state.',
    labels: ['state'],
    read: ({ learned }) => {
      const status = learned?.migrations?.value;
      if (!status) return [];
      return [
        { labels: { state: 'applied' }, value: status.applied.length },
        { labels: { state: 'pending' }, value: status.pending.length },
        { labels: { state: 'failed' }, value: status.failed.length },
        { labels: { state: 'rolled_back' }, value: status.rolledBack.length },
        { labels: { state: 'edited' }, value: status.edited.length },
        { labels: { state: 'unknown' }, value: status.unknown.length },
      ];
    },
  }),
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
];

/** The facts, and how the label `fact` names them. */
const FACTS = [
  ['server', 'server'],
  ['migrations', 'migrations'],
  ['drift', 'drift'],
  ['backups', 'backups'],
  ['jobs', 'jobs'],
  ['restoreTests', 'restore_tests'],
  ['erasure', 'erasure'],
] as const;
