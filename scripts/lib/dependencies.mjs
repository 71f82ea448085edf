import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { root } from './project.mjs';
import { RunError } from './run.mjs';
import { SetUpError, fileSystemCauses, fileSystemHint } from './set-up-error.mjs';

/**
 * @typedef {{version?: string, integrity?: string, optional?: boolean, os?: string[], cpu?: string[]}} LockedPackage
 * @param {string} path
 * @returns {Record<string, LockedPackage>}
 */
const packagesOf = (path) => JSON.parse(readFileSync(join(root, path), 'utf8')).packages;

/**
 * @param {string[]} names allowed ones, or forbidden ones with a `!`
 * @param {string} own
 */
const allows = (names, own) =>
  names.length === 0 || names.includes(own) || names.every((name) => name[0] === '!' && name !== `!${own}`);

/** @param {LockedPackage} installed */
const isForThisMachine = ({ os = [], cpu = [] }) => allows(os, process.platform) && allows(cpu, process.arch);

/** @param {Record<string, LockedPackage>} installed */
const isIn =
  (installed) =>
  ([path, { version, integrity, optional }]) => {
    const found = installed[path];
    return found === undefined
      ? optional === true
      : found.version === version && found.integrity === integrity;
  };

/**
 * npm writes node_modules/.package-lock.json as its last action: it is missing after an interrupted `npm ci`, and out
 * of date after the lock file has changed. Packages for another platform mean that the clone was copied from there.
 */
function isInstalled() {
  if (!existsSync(join(root, 'node_modules/.package-lock.json'))) return false;
  const installed = packagesOf('node_modules/.package-lock.json');
  const locked = Object.entries(packagesOf('package-lock.json')).filter(([path]) => path !== '');
  return locked.every(isIn(installed)) && Object.values(installed).every(isForThisMachine);
}

/** The npm that runs this script, else the one beside this node, else the one on the PATH. */
function npmCommand() {
  const running = process.env.npm_execpath ?? '';
  const beside = join(dirname(process.execPath), '../lib/node_modules/npm/bin/npm-cli.js');
  const script = [running, beside].find((path) => basename(path) === 'npm-cli.js' && existsSync(path));
  return script === undefined ? ['npm'] : [process.execPath, script];
}

/** npm's cache is in the home directory; a user without a (writable) one gets one inside the clone. */
function cacheArgs() {
  let path = process.env.npm_config_cache ?? join(homedir(), '.npm');
  while (!existsSync(path) && path !== dirname(path)) path = dirname(path);
  try {
    accessSync(path, constants.W_OK);
    return [];
  } catch {
    return ['--cache', join(root, '.pgkeep', 'npm')];
  }
}

const networkCodes =
  /^(E?(AI_AGAIN|NOTFOUND|CONN.*|TIMEDOUT|HOSTUNREACH|NETUNREACH|NETWORK)|ERR_SOCKET.*|E5\d\d)$/;

/** @param {string} output */
function hintFor(output) {
  const code = /npm (?:ERR!|error) code (\S+)/.exec(output)?.[1] ?? '';
  if (networkCodes.test(code)) {
    return (
      'see that the npm registry can be reached from here (`npm ping`; a proxy or a mirror is set with ' +
      '`npm config set proxy …` or `npm config set registry …`), then run the same command again.'
    );
  }
  if (code in fileSystemCauses) return fileSystemHint(code);
  if (code === 'EUSAGE') return 'run `npm install` to bring package-lock.json into step with package.json.';
  return `run \`npm ci\` in '${root}' to see the complete output, then run the same command again.`;
}

/** @type {import('./set-up.mjs').Step} */
export const dependencies = {
  title: 'dependencies (npm ci)',
  isDone: isInstalled,
  async perform(run) {
    const [program, ...script] = npmCommand();
    // --include=dev: NODE_ENV=production must not omit the compiler. No package needs its install script.
    const flags = [
      '--include=dev',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      ...cacheArgs(),
    ];
    try {
      await run(program, [...script, 'ci', ...flags]);
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      throw new SetUpError(`installing the dependencies in ${root}`, error.excerpt, hintFor(error.output));
    }
  },
};
