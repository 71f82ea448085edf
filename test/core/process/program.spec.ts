import { describe, expect, it } from '@jest/globals';
import { isRunning } from '../../../src/cluster/postmaster.js';
import { messageOf } from '../../../src/core/errors.js';
import { outputOf, requireSuccess, startProgram } from '../../../src/core/process/program.js';
import { runConcurrently } from '../../../src/core/process/concurrent.js';
import { processTree } from '../../support/process-tree.js';
import { until } from '../../support/until.js';

const env = { PATH: '/usr/bin:/bin' };
const never = new AbortController().signal;

async function shell(script: string, signal: AbortSignal = never) {
  return await startProgram('/bin/sh', ['-c', script], { env, signal });
}

async function textOf(source: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of source) text += String(chunk);
  return text;
}

describe('a program', () => {
  it('returns its output, which ends without an error only if the program did', async () => {
    expect(await textOf(outputOf('sh', await shell('echo all')))).toBe('all\n');
    const failing = await shell('echo half; echo "sh: error: why" >&2; exit 3');
    await expect(textOf(outputOf('sh', failing))).rejects.toThrow(
      'sh ended with exit code 3: sh: error: why',
    );
    const killed = await shell('echo half; kill -9 $$');
    await expect(textOf(outputOf('sh', killed))).rejects.toThrow('sh was ended by SIGKILL');
  });

  it('fails with the server’s detail and hint, however long the query is, but without values of rows', async () => {
    const query = `pg_dump: detail: Query was: LOCK TABLE ${'public.t, '.repeat(10_000)}public.u`;
    const said = async (...lines: readonly string[]): Promise<string> => {
      const program = await shell(`cat >&2 <<'END'\n${lines.join('\n')}\nEND\nexit 1`);
      program.stdout.resume();
      return await requireSuccess('x', program).then(
        () => 'nothing',
        (error: unknown) => messageOf(error),
      );
    };
    const short = `${query.slice(0, 400)}…`;
    expect(
      await said(
        'pg_dump: error: query failed: ERROR:  out of shared memory',
        query,
        'HINT:  Raise the limit.',
      ),
    ).toBe(
      `x ended with exit code 1: pg_dump: error: query failed: ERROR:  out of shared memory; HINT:  Raise the limit.; ${short}`,
    );
    expect(
      await said(
        'pg_restore: error: COPY failed for table "t": ERROR:  duplicate key value violates unique constraint "u"',
        'DETAIL:  Key (email)=(siti@example.org) already exists.',
        'CONTEXT:  COPY t, line 1, column email: "siti@example.org"',
      ),
    ).toBe(
      'x ended with exit code 1: pg_restore: error: COPY failed for table "t": ERROR:  duplicate key value violates unique constraint "u"; ' +
        'DETAIL:  Key (email)=(…) already exists.; CONTEXT:  COPY t, line 1',
    );
  });

  it('keeps its output for a reader that begins after its end', async () => {
    const program = await shell('echo early');
    await program.ended;
    expect(await textOf(outputOf('sh', program))).toBe('early\n');
  });

  it('counts as ended for a reader that leaves output unread', async () => {
    const program = await shell('head -c 150000 /dev/zero');
    await until(() => processTree(process.pid).length === 1, 5000, 'the end of the process');
    program.stdout.destroy();
    expect(await program.ended).toMatchObject({ exitCode: 0 });
  });

  it('fails with the system’s error if it cannot be started', async () => {
    await expect(startProgram('/nowhere', [], { env, signal: never })).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });

  it('is ended by an abort, with its child processes', async () => {
    const abort = new AbortController();
    const program = await shell('sleep 60 & sleep 60 & wait', abort.signal);
    program.stdout.resume();
    let children: number[] = [];
    await until(() => (children = processTree(process.pid).slice(1)).length >= 3);
    abort.abort();
    expect(await program.ended).toMatchObject({ exitCode: null, signal: 'SIGTERM' });
    await until(() => !children.some(isRunning));
  });

  it('is killed if it ignores the signal', async () => {
    const abort = new AbortController();
    const program = await shell(`trap '' TERM; echo on; while :; do sleep 0.1; done`, abort.signal);
    await new Promise((resolve) => program.stdout.once('data', resolve));
    program.stdout.resume();
    abort.abort();
    expect(await program.ended).toMatchObject({ signal: 'SIGKILL' });
  });

  it('may end before it has read its input', async () => {
    const program = await shell('exit 0');
    program.stdin.write(Buffer.alloc(1 << 20));
    program.stdin.end();
    program.stdout.resume();
    await expect(requireSuccess('sh', program)).resolves.toBeUndefined();
  });
});

describe('two concurrent tasks', () => {
  it('end together: the first failure aborts the other task and is reported', async () => {
    let other = 'at work';
    const work = runConcurrently(
      never,
      () => Promise.reject(new Error('first')),
      (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () =>
            setTimeout(() => {
              other = 'ended';
              reject(new Error('second'));
            }, 20),
          );
        }),
    );
    await expect(work).rejects.toThrow('first');
    expect(other).toBe('ended');
    expect(
      await runConcurrently(
        never,
        () => Promise.resolve(1),
        () => Promise.resolve('b'),
      ),
    ).toEqual([1, 'b']);
  });
});
