import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanUpAfterExit } from './cleanup-command.mjs';

const POLL_MS = 5;
const START_DEADLINE_MS = 30_000;

/**
 * How to start a contender, which listens on the port in PORT.
 *
 * @typedef {object} Contender
 * @property {string} name
 * @property {string} script
 * @property {string} route the requested path
 * @property {Readonly<Record<string, string>>} environment
 */

/** A contender that runs in a separate process. */
export class ServerProcess {
  /** @type {import('node:child_process').ChildProcess} */
  #child;
  /** @type {string} */
  #logFile;
  #startedAt = performance.now();

  /**
   * @param {import('./scene.mjs').Scene} scene
   * @param {Contender} contender
   * @param {number} port
   */
  constructor(scene, { name, script, route, environment }, port) {
    this.name = name;
    this.origin = `http://127.0.0.1:${port}`;
    this.address = `${this.origin}${route}`;
    this.#logFile = path.join(scene.directory, `${name.replaceAll(/\W+/g, '-')}-${port}.log`);
    const log = openSync(this.#logFile, 'a');
    const { PATH } = process.env;
    this.#child = spawn(process.execPath, [script], {
      // A separate directory, without a .env file of the user who runs the bench.
      cwd: scene.directory,
      env: {
        PATH,
        NODE_ENV: 'production',
        HOST: '127.0.0.1',
        // Every contender has the compile cache of Node.js 22.8 and later; earlier versions ignore it.
        NODE_COMPILE_CACHE: path.join(scene.directory, 'compile-cache'),
        ...environment,
        PORT: String(port),
      },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.#child.once('exit', cleanUpAfterExit('kill', ['-KILL', this.pid]));
    scene.atEnd(() => this.kill());
  }

  /**
   * Starts a contender; it may not listen yet.
   *
   * @param {import('./scene.mjs').Scene} scene
   * @param {Contender} contender
   */
  static async start(scene, contender) {
    return new ServerProcess(scene, contender, await scene.freePort());
  }

  get pid() {
    if (this.#child.pid === undefined) throw new Error(`${this.name} could not be started`);
    return this.#child.pid;
  }

  /**
   * Waits until a route answers with a status.
   *
   * @param {string} [address] defaults to the contender's own route
   * @param {number} [status]
   * @returns {Promise<number>} ms since the process was started
   */
  async answers(address = this.address, status = 200) {
    for (;;) {
      if ((await statusOf(address)) === status) return performance.now() - this.#startedAt;
      if (this.#child.exitCode !== null) throw this.#failure('ended');
      if (performance.now() - this.#startedAt > START_DEADLINE_MS) throw this.#failure('did not start');
      await sleep(POLL_MS);
    }
  }

  /** Kills the process: a graceful end is not measured, and pgkeep's waits for its probers. */
  async kill() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  /** @param {string} what */
  #failure(what) {
    const tail = readFileSync(this.#logFile, 'utf8').trim().split('\n').slice(-8).join('\n');
    return new Error(`${this.name} ${what}:\n${tail}`);
  }
}

/**
 * @param {string} address
 * @returns {Promise<number | undefined>} undefined if no process listens
 */
function statusOf(address) {
  return new Promise((resolve) => {
    const request = get(address, { agent: false }, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode));
    });
    request.once('error', () => resolve(undefined));
  });
}
