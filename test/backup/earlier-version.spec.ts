import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { readSettings, type Environment } from '../../src/config/read-settings.js';
import { Clock } from '../../src/core/clock.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';
import { RetentionService } from '../../src/retention/retention.service.js';
import type { RetentionPlan } from '../../src/retention/retention.types.js';
import { backupDirectory, stockPsql } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { runCli } from '../support/pgkeep-process.js';
import { SetClock } from '../support/set-clock.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const FIXTURE = path.resolve('test/fixtures/earlier-version');
const SAFETY = 'clinic_development_20261127_073958';
const MANUAL = 'clinic_development_20261127_074000';
const ENCRYPTED = 'clinic_development_20261127_074002';

/** Backups outlive the version of pgkeep that made them: these were made before values and fields were renamed. */
describe('a backup directory of the version before the renames', () => {
  let own: ThrowAwayCluster;
  let directory: string;
  let environment: Environment;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const url = await createDatabase(own, 'clinic');
    await stockPsql(readFileSync(path.join(FIXTURE, 'database.sql')), url);
  });
  afterAll(() => own.cluster.destroy());
  beforeEach(() => {
    directory = backupDirectory();
    cpSync(path.join(FIXTURE, 'backups'), directory, { recursive: true });
    environment = {
      NODE_ENV: 'development',
      DATABASE_URL: own.cluster.url('clinic'),
      TEST_DATABASE_URL: own.cluster.url('postgres'),
      BACKUP_DIR: directory,
      BACKUP_ENCRYPTION_IDENTITY: readFileSync(path.join(FIXTURE, 'identity.txt'), 'utf8').trim(),
    };
  });

  it('is listed, with its pin and its restore tests', async () => {
    const { backups, unreadable, unreachable } = JSON.parse(await pgkeep('backup', 'list', '--json'));
    expect([unreadable, unreachable]).toEqual([[], []]);
    const common = { environment: 'development', database: 'clinic', origin: null, locations: [directory] };
    expect(backups).toEqual([
      expect.objectContaining({
        ...common,
        name: ENCRYPTED,
        reason: 'manual',
        encrypted: true,
        pinned: false,
        restoreTest: 'passed',
      }),
      expect.objectContaining({
        ...common,
        name: MANUAL,
        reason: 'manual',
        encrypted: false,
        pinned: false,
        restoreTest: 'passed',
      }),
      expect.objectContaining({
        ...common,
        name: SAFETY,
        reason: 'pre-migration',
        encrypted: false,
        pinned: true,
        restoreTest: null,
      }),
    ]);
  });

  it.each([SAFETY, MANUAL, ENCRYPTED])('passes verification: %s', async (name) => {
    expect(await pgkeep('backup', 'verify', name)).toBe(
      `${name} passed verification: every byte is as it was dumped, and the archive is complete.\n`,
    );
  });

  it('is verified byte by byte without the key of the encrypted backup', async () => {
    const { BACKUP_ENCRYPTION_IDENTITY: _, ...withoutKey } = environment;
    const { code, stdout } = await runCli(['backup', 'verify', ENCRYPTED], withoutKey);
    expect([code, stdout]).toEqual([
      0,
      `${ENCRYPTED}: every byte is as it was stored. Its contents were NOT checked:
  not checked: ${ENCRYPTED}.dump.age is encrypted, and no key is set to decrypt it. Set BACKUP_ENCRYPTION_IDENTITY (or BACKUP_ENCRYPTION_IDENTITY_FILE) to the AGE-SECRET-KEY-1… of age1hx3rynz8zkvu2uu8y8tlmw747p3nyzlx6uake40nx8hq30nyj9vspschde. It can hold several keys.
`,
    ]);
  });

  it('passes restore tests, encrypted or not, and the history goes on', async () => {
    const before = JSON.parse(await pgkeep('restore', 'history', '--json'));
    expect(before).toMatchObject({ chainFault: null });
    for (const name of [MANUAL, ENCRYPTED]) {
      const report = JSON.parse(await pgkeep('restore', 'test', name, '--json'));
      expect(report).toMatchObject({ backup: name, verdict: 'passed', without: [] });
    }
    const after = JSON.parse(await pgkeep('restore', 'history', '--json'));
    expect(
      after.tests.map(({ backup, verdict }: { backup: string; verdict: string }) => [backup, verdict]),
    ).toEqual([
      [ENCRYPTED, 'passed'],
      [MANUAL, 'passed'],
      [ENCRYPTED, 'passed'],
      [MANUAL, 'passed'],
    ]);
    expect([after.chainFault, after.tests.slice(2)]).toEqual([null, before.tests]);
  });

  it('is left alone by a prune for another server', async () => {
    expect(await planAt('2026-12-10T00:00:00Z')).toMatchObject({
      keep: [],
      remove: [],
      foreign: [ENCRYPTED, MANUAL, SAFETY],
    });
  });

  it('is pruned by the rules, its pin included', async () => {
    await moveToThisServer();
    expect(await planAt('2026-11-28T00:00:00Z')).toMatchObject({ remove: [], foreign: [] });
    expect(await planAt('2026-12-10T00:00:00Z')).toMatchObject({
      keep: [
        {
          name: ENCRYPTED,
          because: ['newest', 'newest proven', 'daily 2026-11-27', 'weekly 2026-W48', 'monthly 2026-11'],
        },
        { name: SAFETY, because: ['pinned'] },
      ],
      remove: [MANUAL],
      foreign: [],
    });
    expect(await pgkeep('backup', 'unpin', SAFETY)).toBe(
      `Unpinned ${SAFETY}. The retention rules apply to it.\n`,
    );
    expect(await planAt('2026-12-10T00:00:00Z')).toMatchObject({ remove: [MANUAL, SAFETY] });
  });

  async function pgkeep(...argv: string[]): Promise<string> {
    const { code, stdout, stderr } = await runCli(argv, environment);
    expect({ argv, code, stderr }).toEqual({ argv, code: 0, stderr: '' });
    return stdout;
  }

  /** Makes the manifests name the server of this test, as if it had made the backups. */
  async function moveToThisServer(): Promise<void> {
    const { rows } = await query(
      own.cluster.url('clinic'),
      'SELECT system_identifier::text AS id FROM pg_control_system()',
    );
    for (const file of readdirSync(directory).filter((name) => name.endsWith('.manifest.json'))) {
      const manifest = JSON.parse(readFileSync(path.join(directory, file), 'utf8'));
      const moved = { ...manifest, systemIdentifier: rows[0].id };
      writeFileSync(path.join(directory, file), JSON.stringify(moved));
    }
  }

  /** Plans a prune at that moment. */
  async function planAt(moment: string): Promise<RetentionPlan> {
    const module = await Test.createTestingModule({
      imports: [PgkeepModule.forRoot(readSettings(environment))],
    })
      .overrideProvider(Clock)
      .useValue(new SetClock(new Date(moment)))
      .compile();
    const app = await module.init();
    try {
      return await app.get(RetentionService).prune({ dryRun: true });
    } finally {
      await app.close();
    }
  }
});
