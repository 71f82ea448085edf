import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { run } from '../lib/run.mjs';
import { SetUpError } from '../lib/set-up-error.mjs';
import { accessKey, region, secretKey, stores, writeConfiguration } from './configuration.mjs';

const patienceMs = 60_000;

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** @returns {Promise<import('./configuration.mjs').Ports>} */
async function freePorts() {
  return {
    account: await freePort(),
    container: await freePort(),
    object: await freePort(),
    proxy: await freePort(),
    memcached: await freePort(),
  };
}

/** @param {string} directory @param {import('./configuration.mjs').Ports} ports */
async function buildRings(directory, ports) {
  const cwd = join(directory, 'etc');
  for (const store of stores) {
    const build = (/** @type {string[]} */ ...args) =>
      run('swift-ring-builder', [`${store}.builder`, ...args], { cwd });
    await build('create', '4', '1', '1');
    await build('add', `r1z1-127.0.0.1:${ports[store]}/disk`, '1');
    await build('rebalance');
  }
}

/** @param {number} port */
async function answers(port) {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Starts a separate Swift on free ports of loopback, with all of its files in a temporary directory. */
export async function startSwift() {
  const directory = mkdtempSync(join(tmpdir(), 'pgkeep-swift-'));
  const ports = await freePorts();
  writeConfiguration(directory, ports);
  await buildRings(directory, ports);

  const script = fileURLToPath(new URL('servers.mjs', import.meta.url));
  const args = ['--mount', process.execPath, script, directory, String(ports.memcached)];
  // A separate process group: Ctrl-C must reach the tests first, which still need it to clean up.
  const child = spawn('unshare', args, { stdio: ['pipe', 'ignore', 'pipe'], detached: true });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  const ended = once(child, 'close');

  const deadline = Date.now() + patienceMs;
  for (const port of Object.values(ports)) {
    while (!(await answers(port))) {
      const isGone = child.exitCode !== null || child.signalCode !== null;
      if (!isGone && Date.now() < deadline) await sleep(100);
      else {
        child.stdin.end();
        await ended;
        throw new SetUpError(
          'starting OpenStack Swift',
          said || `its servers did not listen within ${patienceMs / 1000} s.`,
          `see the logs in ${directory}; in a container, a mount namespace needs the capability SYS_ADMIN.`,
        );
      }
    }
  }

  return {
    /** The environment of the tests and of the SDK in them. */
    env: {
      TEST_S3_ENDPOINT: `http://127.0.0.1:${ports.proxy}`,
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: secretKey,
      AWS_REGION: region,
    },
    /** @param {{keepLogs: boolean}} options */
    async stop({ keepLogs }) {
      child.stdin.end();
      await ended;
      if (keepLogs) console.error(`What Swift wrote is kept in ${directory}`);
      else rmSync(directory, { recursive: true, force: true });
    },
  };
}
