import { describe, expect, it } from '@jest/globals';
import type { JobRun } from '../../src/jobs/jobs.types.js';
import { type JobSituation, nextStep } from '../../src/maintenance/next-step.js';

const DUE = new Date('2026-02-07T02:00:00Z');
const RUN: JobRun = {
  id: 'a',
  job: 'backup',
  dueAt: DUE.toISOString(),
  trigger: 'schedule',
  state: 'succeeded',
  fence: 1,
  holder: 'one',
  startedAt: DUE.toISOString(),
  finishedAt: DUE.toISOString(),
  leaseExpiresAt: null,
  losses: 0,
  parameters: {},
  result: null,
  error: null,
};
const QUIET: JobSituation = {
  now: new Date('2026-02-07T02:00:05Z'),
  due: DUE,
  since: new Date('2026-01-01'),
  runs: [],
};

describe('the next step', () => {
  it.each<[string, Partial<JobSituation>, object]>([
    ['claims what is due', {}, { kind: 'claim', due: DUE, isLate: false }],
    [
      'claims late what was missed: only the latest',
      { now: new Date('2026-02-07T09:00:00Z') },
      { kind: 'claim', due: DUE, isLate: true },
    ],
    ['waits where it was claimed', { runs: [RUN] }, { kind: 'wait' }],
    ['waits where the claim was skipped', { runs: [{ ...RUN, state: 'skipped' }] }, { kind: 'wait' }],
    ['waits without a schedule', { due: undefined }, { kind: 'wait' }],
    ['waits where no service keeps the schedule', { since: undefined }, { kind: 'wait' }],
    [
      'catches nothing up from before the schedule',
      { since: new Date('2026-02-07T02:00:01Z') },
      { kind: 'wait' },
    ],
    ['tries no failed run again', { runs: [{ ...RUN, state: 'failed' }] }, { kind: 'wait' }],
    [
      'waits for a run that is under way',
      {
        runs: [
          {
            ...RUN,
            dueAt: '2026-02-06T02:00:00.000Z',
            state: 'running',
            leaseExpiresAt: '2026-02-07T02:00:06Z',
          },
        ],
      },
      { kind: 'wait' },
    ],
    [
      'writes off a run whose lease has ended',
      { runs: [{ ...RUN, state: 'running', leaseExpiresAt: '2026-02-07T02:00:04Z' }] },
      { kind: 'mark-lost' },
    ],
    ['takes over what was lost', { runs: [{ ...RUN, state: 'lost', losses: 2 }] }, { kind: 'take-over' }],
    ['takes over what was interrupted', { runs: [{ ...RUN, state: 'interrupted' }] }, { kind: 'take-over' }],
    [
      'leaves alone what was lost three times',
      { runs: [{ ...RUN, state: 'lost', losses: 3 }] },
      { kind: 'wait' },
    ],
    [
      'does not look back at what was lost before the latest due time',
      { runs: [{ ...RUN, dueAt: '2026-02-06T02:00:00.000Z', state: 'lost', losses: 1 }] },
      { kind: 'claim', due: DUE, isLate: false },
    ],
    [
      'takes over a lost manual run, without a schedule, too',
      { due: undefined, runs: [{ ...RUN, trigger: 'manual', state: 'lost', losses: 1 }] },
      { kind: 'take-over' },
    ],
  ])('%s', (_what, situation, expected) => {
    expect(nextStep({ ...QUIET, ...situation })).toEqual(expected);
  });
});
