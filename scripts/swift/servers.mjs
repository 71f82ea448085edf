// Runs inside a private mount namespace (`unshare --mount`): mounts DIRECTORY/etc as /etc/swift there, starts
// Swift's servers and ends them when it ends: by a signal, or when its stdin closes because the process that
// started it has ended.
import { spawn, spawnSync } from 'node:child_process';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { stores } from './configuration.mjs';

const [directory = '', memcachedPort = ''] = process.argv.slice(2);

const mount = spawnSync('mount', ['--bind', join(directory, 'etc'), '/etc/swift'], { encoding: 'utf8' });
if (mount.status !== 0) {
  console.error(`mount --bind: ${mount.stderr}`);
  process.exit(1);
}

const children = new Set();
let isStopping = false;

function stop() {
  isStopping = true;
  for (const child of children) child.kill('SIGTERM');
  if (children.size === 0) process.exit();
}

function start(/** @type {string} */ name, /** @type {string} */ program, /** @type {string[]} */ args) {
  const log = openSync(join(directory, `${name}.log`), 'a');
  const child = spawn(program, args, { stdio: ['ignore', log, log] });
  children.add(child);
  const gone = (/** @type {string | number | null} */ how) => {
    children.delete(child);
    if (!isStopping) {
      console.error(`${program} ended (${how}); its log is ${join(directory, `${name}.log`)}`);
      process.exitCode = 1;
      stop();
    }
    if (children.size === 0) process.exit();
  };
  child.once('error', (error) => gone(error.message));
  child.once('close', (code, signal) => gone(code ?? signal));
}

for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, stop);
process.stdin.once('close', stop).resume();

start('memcached', 'memcached', ['-u', 'nobody', '-l', '127.0.0.1', '-p', memcachedPort, '-U', '0']);
for (const server of [...stores, 'proxy']) {
  start(server, `swift-${server}-server`, [`/etc/swift/${server}-server.conf`, '-v']);
}
