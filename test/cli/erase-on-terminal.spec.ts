import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { InstallService } from '../../src/install/install.service.js';
import { projectWith } from '../privacy/schema-project.js';
import { withApp } from '../support/app.js';
import { createClinic, query } from '../support/clinic.js';
import { emptyDirectory, runCli } from '../support/pgkeep-process.js';
import { applyRules, CLINIC_SCHEMA } from '../support/policy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

// A separate terminal, by script(1) of util-linux.
const SCRIPT = '/usr/bin/script';
const onTerminal = existsSync(SCRIPT) ? describe : describe.skip;
onTerminal('pgkeep privacy erase in production, on a terminal', () => {
  let own: ThrowAwayCluster;
  let environment: Record<string, string>;
  let url: string;
  const argv = ['privacy', 'erase', 'User', '753', '--by', 'dpo', '--because', 'letter'];

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createClinic(own, 'clinic', { seeded: true });
    await withApp(url, (app) => app.get(InstallService).install());
    await applyRules(url);
    environment = {
      NODE_ENV: 'production',
      DATABASE_URL: url,
      MIGRATIONS_DIR: projectWith(readFileSync(CLINIC_SCHEMA, 'utf8')),
    };
  });
  afterAll(() => own.cluster.destroy());

  const remains = async (): Promise<boolean> =>
    (await query(url, 'SELECT FROM users WHERE id = 753')).rowCount === 1;

  /** Types an answer when asked. @returns what the terminal showed. */
  async function erase(answer: string): Promise<string> {
    const command = `'${process.execPath}' '${path.resolve('dist/cli.js')}' ${argv.join(' ')}; echo ended $?`;
    const child = spawn(SCRIPT, ['-qec', command, '/dev/null'], {
      cwd: emptyDirectory(),
      env: { PATH: process.env['PATH'], TERM: 'xterm', SHELL: '/bin/sh', ...environment },
    });
    let shown = '';
    child.stdout.on('data', (chunk: Buffer) => {
      const isAsked = shown.includes('cannot be undone: ');
      shown += chunk.toString('utf8');
      if (!isAsked && shown.includes('cannot be undone: ')) child.stdin.write(answer);
    });
    await new Promise((resolve) => child.once('close', resolve));
    return shown;
  }

  it('asks for the id, and erases only where it is typed', async () => {
    expect(await runCli(argv, environment)).toEqual({
      code: 3,
      stdout: '',
      stderr:
        'Refused to erase User 753: this is production, and an erasure cannot be undone. Nothing was changed.\nType the id when asked on a terminal, or add: `--confirm 753`\n',
    });
    const wrong = await erase('yes\r');
    expect(wrong).toContain(
      'Type 753 to erase User 753 from database "clinic" (production), which cannot be undone: ',
    );
    expect(wrong).toContain('Refused to erase User 753: this is production');
    expect(wrong).toContain('ended 3');
    expect(await remains()).toBe(true);
    const stopped = await erase('\u0003');
    expect(stopped).toMatch(/ended 130/);
    expect(await remains()).toBe(true);
    const right = await erase('753\r');
    expect(right).toContain('Erased User 753: 1 row of User, 1 row of Parent.');
    expect(right).toContain('ended 0');
    expect(await remains()).toBe(false);
  });
});
