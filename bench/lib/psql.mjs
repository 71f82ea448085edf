import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';

/** A psql that stays open, so that its start and connection are not measured. */
export class Psql {
  /** @type {import('node:child_process').ChildProcessByStdio<import('node:stream').Writable, import('node:stream').Readable, import('node:stream').Readable>} */
  #child;
  #output = '';
  /** Called when psql has printed something or has ended. */
  #onChange = () => {};

  /**
   * @param {import('./scene.mjs').Scene} scene
   * @param {string} database
   */
  constructor(scene, database) {
    const beside = path.join(scene.binaries.bin, 'psql');
    this.#child = spawn(
      existsSync(beside) ? beside : 'psql',
      ['--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1'],
      {
        env: {
          PATH: process.env.PATH,
          ...scene.libpq(database),
          PGAPPNAME: 'psql',
        },
        stdio: ['pipe', 'pipe', 'pipe'],
      },
    );
    scene.atEnd(() => this.#child.kill('SIGKILL'));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        this.#output += text;
        this.#onChange();
      });
    }
    this.#child.once('exit', () => this.#onChange());
    this.#child.stdin.write('\\timing on\n\\o /dev/null\n');
  }

  /**
   * Runs one statement and discards its rows.
   *
   * @param {string} sql
   * @returns {Promise<number>} ms, from psql's \timing: until the last row has arrived, without printing
   */
  async time(sql) {
    this.#output = '';
    this.#child.stdin.write(`${sql};\n`);
    return await new Promise((resolve, reject) => {
      this.#onChange = () => {
        const time = /^Time: ([\d.]+) ms/m.exec(this.#output)?.[1];
        if (time !== undefined) resolve(Number(time));
        else if (this.#child.exitCode !== null) reject(new Error(`psql ended: ${this.#output}`));
      };
    });
  }

  async close() {
    const ended = once(this.#child, 'exit');
    this.#child.stdin.end('\\q\n');
    await ended;
  }
}
