import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { propertyOf } from '../../src/core/errors.js';
import { InstallService } from '../../src/install/install.service.js';
import { withApp } from '../support/app.js';
import { createClinic, query } from '../support/clinic.js';
import { applyRules } from '../support/policy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { guardedClinic, type GuardedClinic } from './guarded-clinic.js';

interface Sample {
  readonly code: string;
  readonly output: string;
}

/** The samples of a page that have an output, each with it. */
function samplesOf(page: string): Sample[] {
  const blocks = /```ts\n((?:(?!```)[\s\S])*)```\n\n```console\n((?:(?!```)[\s\S])*)```/g;
  return [...readFileSync(page, 'utf8').matchAll(blocks)].map(([, code = '', output = '']) => ({
    code,
    output,
  }));
}

/** Runs a sample, and returns what it prints, the error included. */
async function outputOf(code: string, scope: Readonly<Record<string, unknown>>): Promise<string> {
  const lines: string[] = [];
  const console = {
    log: (...values: unknown[]) =>
      lines.push(
        values.map((value) => inspect(value, { breakLength: Infinity }).replace(/^'(.*)'$/, '$1')).join(' '),
      ),
  };
  try {
    await runInNewContext(`(async () => {${code}})()`, { ...scope, console });
  } catch (error) {
    const [name, errorCode, hint] = ['name', 'code', 'hint'].map((property) => propertyOf(error, property));
    lines.push(
      `${String(name)} ${String(errorCode)}: ${String(propertyOf(error, 'message')).split('\n').at(-1)}`,
    );
    if (typeof hint === 'string') lines.push(hint);
  }
  return `${lines.join('\n')}\n`;
}

describe('docs/guarded-client.md', () => {
  let own: ThrowAwayCluster;
  let prisma: GuardedClinic;
  let scope: Readonly<Record<string, unknown>>;

  beforeAll(async () => {
    own = await startThrowAwayCluster({ tls: false });
    const url = await createClinic(own, 'documented', { seeded: true });
    await withApp(url, (app) => app.get(InstallService).install());
    await applyRules(url);
    await query(
      url,
      `UPDATE users SET email = 'deleted@klinik.example', deleted_at = '2026-10-01T10:00:00Z' WHERE id = 24`,
    );
    const { rows } = await query(
      url,
      `SELECT p.user_id FROM parents p JOIN children c ON c.parent_id = p.id
        WHERE p.deleted_at IS NULL GROUP BY p.user_id HAVING count(*) = 1 ORDER BY p.user_id DESC LIMIT 1`,
    );
    prisma = guardedClinic(url);
    const person = { fullName: 'x', passwordHash: '!', phone: '1', role: 'PARENT' };
    scope = { prisma, person, userId: rows[0]?.user_id, currentUserId: 7 };
  });

  afterAll(async () => {
    await prisma?.$disconnect();
    await own?.cluster.stop();
  });

  it.each(samplesOf('docs/guarded-client.md'))(
    'has samples that print what it shows: $code',
    async ({ code, output }) => {
      expect(await outputOf(code, scope)).toBe(output);
    },
  );
});
