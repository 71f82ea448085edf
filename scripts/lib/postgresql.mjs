import { existsSync, readFileSync } from 'node:fs';
import { findPostgresql, onPath, programs } from './find-postgresql.mjs';
import { installSystemWide } from './install-postgresql.mjs';
import { RunError } from './run.mjs';
import { SetUpError } from './set-up-error.mjs';
import { unpackIntoClone } from './unpack-postgresql.mjs';

const commands = {
  debian: 'sudo apt-get install postgresql',
  darwin: 'brew install postgresql',
  fedora: 'sudo dnf install postgresql-server postgresql',
  rhel: 'sudo dnf install postgresql-server postgresql',
  suse: 'sudo zypper install postgresql-server postgresql',
  arch: 'sudo pacman -S postgresql',
  alpine: 'apk add postgresql postgresql-client',
};

/** The name of this system, and of the systems that it resembles (`ID` and `ID_LIKE` of os-release). */
function system() {
  if (process.platform !== 'linux' || !existsSync('/etc/os-release')) return [process.platform];
  const text = readFileSync('/etc/os-release', 'utf8');
  const valueOf = (/** @type {string} */ key) =>
    (new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] ?? '').replace(/^(["'])(.*)\1$/, '$2');
  return [valueOf('ID'), ...valueOf('ID_LIKE').split(' ')].filter((name) => name !== '');
}

const otherwise =
  'Or give pgkeep a database: `DATABASE_URL=postgresql://… npm start` needs no PostgreSQL on this machine.';

function cannotInstall() {
  const names = system();
  const name = names.flatMap((entry) => entry.split('-')).find((entry) => entry in commands);
  const command = name === undefined ? undefined : commands[name];
  const install =
    command === undefined ? 'install the PostgreSQL server (13 or later)' : `run \`${command}\``;
  return new SetUpError(
    `looking for PostgreSQL (${programs.join(', ')})`,
    `It is not installed, and the set-up can install it only with apt-get and dpkg-deb (Debian, Ubuntu), which this system (${names[0] ?? process.platform}) lacks.`,
    `${install} so that \`postgres\` and \`initdb\` are on the PATH, then run the same command again. ${otherwise}`,
  );
}

/** @type {import('./set-up.mjs').Step} */
export const postgresql = {
  title: 'PostgreSQL (from the packages of this system)',
  isDone: () => findPostgresql() !== undefined,
  async perform(run) {
    if (onPath('apt-get') === undefined || onPath('dpkg-deb') === undefined) throw cannotInstall();
    const isRoot = process.getuid?.() === 0;
    try {
      await (isRoot ? installSystemWide(run) : unpackIntoClone(run));
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      throw new SetUpError(
        isRoot
          ? 'installing PostgreSQL with apt-get'
          : 'fetching PostgreSQL with apt-get into .pgkeep/postgresql',
        error.excerpt,
        'see that the package mirrors of this system can be reached (`apt-get update`, as root), then run ' +
          `the same command again; or, as root, run \`apt-get install postgresql\`. ${otherwise}`,
      );
    }
    if (findPostgresql() === undefined) {
      throw new SetUpError(
        'looking for PostgreSQL after its installation',
        `No directory holds all of ${programs.join(', ')}, although apt-get reported success.`,
        "reinstall the packages of the server and the client as root (`dpkg -l 'postgresql*'` names them, " +
          `\`apt-get install --reinstall PACKAGE…\`), then run the same command again. ${otherwise}`,
      );
    }
  },
};
