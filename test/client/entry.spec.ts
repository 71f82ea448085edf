import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ENTRY = path.resolve('dist/client.js');

describe('pgkeep/client', () => {
  it('loads nothing of Nest, and no service', () => {
    const imports = path.join(mkdtempSync(path.join(tmpdir(), 'pgkeep-imports-')), 'imports');
    execFileSync(process.execPath, [ENTRY], {
      env: {
        NODE_OPTIONS: `--import ${path.resolve('test/support/record-imports.mjs')}`,
        RECORDED_IMPORTS: imports,
      },
    });
    const loaded = readFileSync(imports, 'utf8').trim().split('\n');
    const packages = loaded.flatMap((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? []);
    expect(packages).toContain('pg');
    expect(packages.filter((name) => name.startsWith('@nestjs'))).toEqual([]);
    expect(loaded.filter((file) => /\/dist\/.*\.(?:service|module)\.js$/.test(file))).toEqual([]);
  });

  it('can be required', () => {
    const script = `console.log(Object.keys(require('./dist/require/client.cjs')).join())`;
    const exported = execFileSync(process.execPath, ['--eval', script], { encoding: 'utf8' });
    expect(exported).toContain('pgkeepGuard');
  });
});
