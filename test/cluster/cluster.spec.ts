import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { Cluster } from '../../src/cluster/cluster.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

describe('a cluster that pgkeep starts', () => {
  let own: ThrowAwayCluster;
  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(async () => {
    await own.cluster.destroy();
  });

  it('answers over TLS with a certificate signed by its authority', async () => {
    const client = new Client({
      connectionString: own.cluster.url('postgres'),
      ssl: { ca: own.authority.certificate, rejectUnauthorized: true },
    });
    await client.connect();
    const { rows } = await client.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
    await client.end();
    expect(rows).toEqual([{ ssl: true }]);
  });

  it('keeps its port and its data across a restart', async () => {
    const { port } = own.cluster;
    await own.cluster.stop();
    await own.cluster.startServer();
    expect(own.cluster.port).toBe(port);
  });

  it('refuses to start a second server on the same data', async () => {
    const second = Cluster.start(own.clusterOptions);
    await expect(second).rejects.toMatchObject({
      code: 'CLUSTER_IN_USE',
      message: `Cannot start PostgreSQL in ${own.clusterOptions.directory}: a server already runs there (pid ${own.cluster.postmasterPid}).`,
    });
  });

  it('reports the server’s message if it does not start', async () => {
    await expect(startThrowAwayCluster({ settings: { max_connections: '0' } })).rejects.toMatchObject({
      code: 'CLUSTER_FAILED',
      message: expect.stringContaining(
        '0 is outside the valid range for parameter "max_connections"',
      ) as unknown,
    });
  });
});

it('ends with its parent, kill -9 included', async () => {
  const child = spawn(process.execPath, ['test/support/cluster-parent.mjs'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit').then(([code]) => `ended with ${code}`);
  const printed = once(child.stdout.setEncoding('utf8'), 'data').then(([line]) => String(line));
  const line = await Promise.race([printed, ended]);
  expect(line).toMatch(/^\d+\n$/);
  const pid = Number(line);
  expect(existsSync(`/proc/${pid}`)).toBe(true);
  child.kill('SIGKILL');
  await until(() => !existsSync(`/proc/${pid}`), 15_000);
});
