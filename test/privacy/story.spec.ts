import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { InstallService } from '../../src/install/install.service.js';
import { withApp } from '../support/app.js';
import { createClinic } from '../support/clinic.js';
import { runCli } from '../support/pgkeep-process.js';
import { applyRules, CLINIC_SCHEMA } from '../support/policy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { projectWith } from './schema-project.js';

/** A command of the page, and what it prints. */
interface Step {
  readonly command: string;
  readonly output: string;
}

/** Returns the commands in a page's `console` blocks, in order. */
function stepsOf(page: string): Step[] {
  return [...page.matchAll(/^```console\n(.*?)^```/gms)].flatMap(([, block = '']) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((text) => {
        const [command = '', ...lines] = text.split('\n');
        return { command, output: lines.join('\n').trimEnd() };
      }),
  );
}

/** Splits a command line as a shell does. */
function argvOf(command: string): string[] {
  return [...command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? '',
  );
}

/** What differs in each run. */
function normalized(text: string, directory: string): string {
  return text
    .replaceAll(directory, '/app')
    .replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UUID')
    .replaceAll(/\b[0-9a-f]{64}\b/g, 'SHA256')
    .replaceAll(/\b20(?!99)\d\d-\d\d-\d\d(?:[ T]\d\d:\d\d:\d\d(?:\.\d+)?Z?)?/g, 'TIME')
    .trimEnd();
}

describe('docs/privacy.md', () => {
  let own: ThrowAwayCluster;
  let clinic: string;
  const directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-privacy-'));

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    clinic = await createClinic(own, 'clinic', { seeded: true });
    await withApp(clinic, (app) => app.get(InstallService).install());
    await applyRules(clinic);
  });
  afterAll(() => own.cluster.destroy());

  it('shows what pgkeep prints', async () => {
    const environment = {
      NODE_ENV: 'test',
      DATABASE_URL: clinic,
      MIGRATIONS_DIR: projectWith(readFileSync(CLINIC_SCHEMA, 'utf8')),
      BACKUP_DIR: path.join(directory, 'backups'),
    };
    const backup = await runCli(['backup'], environment, { cwd: directory });
    expect(backup.code).toBe(0);
    const steps = stepsOf(readFileSync('docs/privacy.md', 'utf8'));
    const found: Step[] = [];
    for (const { command } of steps) {
      const argv = argvOf(command.replace('npm run db:cleanup --', 'npx pgkeep privacy cleanup'));
      expect(argv.splice(0, 2)).toEqual(['npx', 'pgkeep']);
      const { stdout, stderr } = await runCli(argv, environment, { cwd: directory });
      found.push({ command, output: normalized(`${stdout}${stderr}`, directory) });
    }
    expect(found).toEqual(
      steps.map(({ command, output }) => ({ command, output: normalized(output, directory) })),
    );
  }, 120_000);
});
