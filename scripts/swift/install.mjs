import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { withPackageLists } from '../lib/apt.mjs';
import { onPath } from '../lib/find-postgresql.mjs';
import { run, RunError } from '../lib/run.mjs';
import { SetUpError } from '../lib/set-up-error.mjs';

const packages = ['swift-proxy', 'swift-account', 'swift-container', 'swift-object', 'memcached'];
const programs = [
  'swift-proxy-server',
  'swift-account-server',
  'swift-container-server',
  'swift-object-server',
  'swift-ring-builder',
  'memcached',
];

const otherwise =
  'Or name another S3 server: `TEST_S3_ENDPOINT=https://… AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… npm run test:s3`.';

/** Debian starts the services that it installs unless this file prevents it: only the programs are needed. */
const policy = '/usr/sbin/policy-rc.d';

async function install() {
  const isOurs = !existsSync(policy);
  if (isOurs) writeFileSync(policy, '#!/bin/sh\nexit 101\n');
  try {
    if (isOurs) chmodSync(policy, 0o755);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const wait = ['-o', 'DPkg::Lock::Timeout=300'];
    await withPackageLists(run, wait, () =>
      run('apt-get', [...wait, '-q', '-y', '--no-install-recommends', 'install', ...packages], { env }),
    );
  } finally {
    if (isOurs) rmSync(policy, { force: true });
  }
}

/** Installs OpenStack Swift if it is missing. Needs root in any case, for its private `/etc/swift`. */
export async function installSwift() {
  if (process.getuid?.() !== 0 || onPath('apt-get') === undefined || onPath('unshare') === undefined) {
    throw new SetUpError(
      'preparing OpenStack Swift, the S3 server of this test',
      'It needs root on Debian or Ubuntu, to install the packages and to create a private mount namespace.',
      `run the same command as root on such a system (a container will do). ${otherwise}`,
    );
  }
  if (programs.every((program) => onPath(program) !== undefined)) return;
  process.stderr.write(`set-up: OpenStack Swift (${packages.join(', ')})\n`);
  try {
    await install();
  } catch (error) {
    if (!(error instanceof RunError)) throw error;
    throw new SetUpError(
      'installing OpenStack Swift with apt-get',
      error.excerpt,
      `see that the package mirrors of this system can be reached (\`apt-get update\`), then run the same command again. ${otherwise}`,
    );
  }
}
