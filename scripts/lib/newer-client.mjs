import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withPackageLists } from './apt.mjs';
import { root } from './project.mjs';
import { run } from './run.mjs';

const SUITE = 'trixie';
const MAJOR = 17;
const apt = join(root, '.pgkeep', 'apt-newer');
const unpacked = join(root, '.pgkeep', 'newer-client');
const bin = join(unpacked, 'bin');

/** PostgreSQL's client and every library that it loads, because this system's libraries are too old. */
const PACKAGES =
  `postgresql-client-${MAJOR} libpq5 libc6 libreadline8t64 libtinfo6 liblz4-1 libzstd1 zlib1g libssl3t64
  libgssapi-krb5-2 libkrb5-3 libkrb5support0 libk5crypto3 libcom-err2 libkeyutils1 libldap2 libsasl2-2`.split(
    /\s+/,
  );

/**
 * Fetches the client programs of PostgreSQL 17 from Debian 13 into `.pgkeep/newer-client/bin` without installing
 * anything. The heavy tests use them to restore into an older server.
 */
export async function fetchNewerClient() {
  if (existsSync(join(bin, 'pg_restore'))) return;
  for (const directory of ['state/lists/partial', 'cache/archives/partial', 'sources', 'archives']) {
    mkdirSync(join(apt, directory), { recursive: true });
  }
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  const targets = await run('apt-get', [
    'indextargets',
    '--format',
    '$(REPO_URI) $(RELEASE)',
    'Created-By: Packages',
  ]);
  const mirror = targets
    .split('\n')
    .find((line) => line.endsWith(` ${codename}`))
    ?.split(' ')[0];
  if (mirror === undefined) throw new Error(`no package source of Debian ${codename} is set up`);
  const signedBy = '/usr/share/keyrings/debian-archive-keyring.gpg';
  writeFileSync(join(apt, 'sources', 'newer.list'), `deb [signed-by=${signedBy}] ${mirror} ${SUITE} main\n`);
  const options = [
    'Dir::Etc::sourcelist=/dev/null',
    `Dir::Etc::sourceparts=${join(apt, 'sources')}`,
    `Dir::State=${join(apt, 'state')}`,
    'Dir::State::status=/dev/null',
    `Dir::Cache=${join(apt, 'cache')}`,
    'Acquire::Languages=none',
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);
  const archives = join(apt, 'archives');
  await withPackageLists(run, options, () =>
    run('apt-get', [...options, '-q', 'download', ...PACKAGES], { cwd: archives }),
  );
  for (const archive of readdirSync(archives)) {
    await run('dpkg-deb', ['-x', join(archives, archive), unpacked]);
  }
  writePrograms();
  rmSync(apt, { recursive: true, force: true });
}

/** Writes wrappers that run the programs with the loader of Debian 13. */
function writePrograms() {
  mkdirSync(bin, { recursive: true });
  const programs = join(unpacked, 'usr/lib/postgresql', String(MAJOR), 'bin');
  const machine = readdirSync(join(unpacked, 'usr/lib')).find((name) => name.endsWith('-linux-gnu'));
  const libraries = join(unpacked, 'usr/lib', machine ?? '');
  const loader = readdirSync(libraries).find((name) => name.startsWith('ld-linux'));
  for (const program of ['psql', 'pg_dump', 'pg_dumpall', 'pg_restore']) {
    const file = join(programs, program);
    const script = `#!/bin/sh\nunset LD_LIBRARY_PATH\nexec ${join(libraries, loader ?? '')} --argv0 ${program} --library-path ${libraries} ${file} "$@"\n`;
    writeFileSync(join(bin, program), script, { mode: 0o755 });
  }
}
