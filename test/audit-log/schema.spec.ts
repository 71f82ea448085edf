import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { InstallService } from '../../src/install/install.service.js';
import { finished, prismaEnvironment } from '../migrations/engine-application.js';
import { createDatabase } from '../support/clinic.js';
import { withApp } from '../support/app.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

describe('pgkeep’s own schema', () => {
  let own: ThrowAwayCluster;
  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  it('is what its migrations make: Prisma sees no difference', async () => {
    const url = await createDatabase(own, 'in_step');
    await withApp(url, (app) => app.get(InstallService).install());
    const argv = ['migrate', 'diff', '--from-config-datasource', '--to-schema', 'prisma/schema.prisma'];
    const child = spawn(process.execPath, ['node_modules/prisma/build/index.js', ...argv, '--exit-code'], {
      env: prismaEnvironment({ DATABASE_URL: url }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { output, exitCode } = await finished(child);
    expect(output).toContain('No difference detected.');
    expect(exitCode).toBe(0);
  });
});
