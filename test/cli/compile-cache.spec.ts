import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import nodeModule from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

/** Whether this Node.js has a compile cache: 22.8 and later. */
const HAS_CACHE = 'enableCompileCache' in nodeModule;

describe('the compile cache', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(path.join(tmpdir(), 'pgkeep-home-'));
  });
  afterEach(() => rmSync(home, { recursive: true }));

  function help(environment: NodeJS.ProcessEnv = {}): { status: number | null; stderr: string } {
    const { NODE_COMPILE_CACHE: _cache, ...inherited } = process.env;
    const { status, stderr } = spawnSync(process.execPath, ['dist/cli.js', '--help'], {
      env: { ...inherited, HOME: home, ...environment },
      encoding: 'utf8',
    });
    return { status, stderr };
  }

  const directory = () => path.join(home, '.cache', 'pgkeep', 'compile-cache');

  it('is kept in a directory that only its user can write, where Node.js has one', () => {
    expect(help()).toEqual({ status: 0, stderr: '' });
    expect(existsSync(directory())).toBe(HAS_CACHE);
    if (!HAS_CACHE) return;
    expect(statSync(directory()).mode & 0o777).toBe(0o700);
    expect(readdirSync(directory(), { recursive: true }).length).toBeGreaterThan(1);
    expect(help()).toEqual({ status: 0, stderr: '' });
  });

  it('is not used where others could write to it', () => {
    chmodSync(home, 0o777);
    expect(help()).toEqual({ status: 0, stderr: '' });
    expect(existsSync(directory())).toBe(false);
  });

  it('is not used where it is switched off, where another one is named, and where there is no home directory', () => {
    const other = path.join(home, 'other');
    expect(help({ NODE_DISABLE_COMPILE_CACHE: '1' })).toEqual({ status: 0, stderr: '' });
    expect(help({ NODE_COMPILE_CACHE: other })).toEqual({ status: 0, stderr: '' });
    expect(help({ HOME: path.join(home, 'missing') })).toEqual({ status: 0, stderr: '' });
    expect(existsSync(other)).toBe(HAS_CACHE);
    // Made before Node.js says that its cache is switched off.
    expect(HAS_CACHE ? readdirSync(directory()) : []).toEqual([]);
  });
});
