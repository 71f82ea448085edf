import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Test, type TestingModule } from '@nestjs/testing';
import { readSettings } from '../../src/config/read-settings.js';
import { InstallService } from '../../src/install/install.service.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';
import { ReadinessService } from '../../src/readiness/readiness.service.js';
import { BACKUP_STORAGE, type BackupStorage } from '../../src/storage/storage.types.js';
import { withApp } from '../support/app.js';
import { backupDirectory } from '../support/backups.js';
import { createClinic, query, verified } from '../support/clinic.js';
import { PRODUCTION } from '../support/production.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const DEADLINE_MS = 400;

/** A fake storage that never answers, like one behind a network that swallows packets. */
const SILENT_STORAGE: BackupStorage = {
  location: 'silence',
  put: () => new Promise(() => undefined),
  get: () => new Promise(() => undefined),
  head: () => new Promise(() => undefined),
  async *list() {
    await new Promise(() => undefined);
    yield* [];
  },
  delete: () => new Promise(() => undefined),
};

describe('the facts about backups', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let module: TestingModule;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createClinic(own, 'clinic');
    await withApp(url, (app) => app.get(InstallService).install());
    await query(url, `INSERT INTO pgkeep.job (name, schedule) VALUES ('backup', '0 2 * * * UTC')`);
  });
  afterEach(() => module.close());
  afterAll(() => own.cluster.destroy());

  async function evaluateWith(storage?: BackupStorage): Promise<ReadinessService> {
    const settings = readSettings({
      ...PRODUCTION,
      READINESS_GATES: '',
      READINESS_TIMEOUT_MS: String(DEADLINE_MS),
      READINESS_REFRESH_MS: '5000',
      DATABASE_URL: verified(own, url),
      BACKUP_DIR: backupDirectory(),
    });
    const building = Test.createTestingModule({ imports: [PgkeepModule.forRoot(settings)] });
    if (storage) building.overrideProvider(BACKUP_STORAGE).useValue(storage);
    module = await building.compile();
    module.useLogger(false);
    return module.get(ReadinessService);
  }

  it('are known at the first evaluation if the storage answers; a new schedule has a grace period', async () => {
    const readiness = await evaluateWith();
    const { verdict } = await readiness.evaluate();
    expect(verdict.checks.backups).toEqual({
      ok: true,
      details: expect.stringMatching(/^no backup yet, the first is due 20.*T02:00:00\.000Z$/),
    });
    expect(verdict.status).toBe('ready');
  });

  it('delay no verdict if the storage hangs', async () => {
    const readiness = await evaluateWith(SILENT_STORAGE);
    for (let evaluations = 0; evaluations < 3; evaluations += 1) {
      const started = performance.now();
      const { verdict } = await readiness.evaluate();
      expect(performance.now() - started).toBeLessThan(DEADLINE_MS * 2);
      expect(verdict.checks.backups).toEqual({
        ok: false,
        code: 'BACKUP_STORAGE_UNREACHABLE',
        hint: 'docs/checks.md#backup_storage_unreachable',
        details: 'The backup storage has not answered yet',
        gate: 'enforce',
      });
      expect(verdict.checks.migrations?.ok).toBe(true);
    }
  });
});
