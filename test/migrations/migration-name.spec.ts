import { describe, expect, it } from '@jest/globals';
import { lintMigrations } from '../../src/migrations/lint/lint-migrations.js';
import type { LintFile } from '../../src/migrations/lint/lint.types.js';
import {
  descriptionFault,
  nameFault,
  spelledRight,
  spellingOf,
} from '../../src/migrations/history/migration-name.js';

describe('the name of a migration', () => {
  it.each([
    ['20241201143022_add_user_soft_delete_fields', 'YYYYMMDDHHMMSS'],
    ['20241201_143022_add_user_soft_delete_fields', 'YYYYMMDD_HHMMSS'],
    ['20240229235959_2fa', 'YYYYMMDDHHMMSS'],
    ['0_init', undefined],
  ])('%s is valid', (name, spelling) => {
    expect(nameFault(name)).toBeUndefined();
    expect(spellingOf(name)).toBe(spelling);
  });

  it.each([
    ['add_phone', 'does not begin with its time'],
    ['1_first', 'does not begin with its time'],
    ['20241201143022', 'does not begin with its time'],
    ['20230229120000_leap', 'begins with 20230229 120000, which is not a valid time'],
    ['20241301120000_month', 'begins with 20241301 120000, which is not a valid time'],
    ['20241201_246000_hour', 'begins with 20241201 246000, which is not a valid time'],
    ['20241201143022_AddPhone', 'continues with "AddPhone", which is not in lower_case_with_underscores'],
    ['20241201143022_add-phone', 'continues with "add-phone", which is not in lower_case_with_underscores'],
    ['20241201143022_add__phone', 'continues with "add__phone", which is not in lower_case_with_underscores'],
    ['20241201143022_7', 'continues with "7", which is not in lower_case_with_underscores'],
  ])('%s is not valid: %s', (name, fault) => {
    expect(nameFault(name)).toBe(fault);
  });

  it.each([
    ['Add Phone', 'is not in lower_case_with_underscores', 'add_phone'],
    ['addPhoneToParents', 'is not in lower_case_with_underscores', 'add_phone_to_parents'],
    ['Größe-ändern!', 'is not in lower_case_with_underscores', 'gro_e_andern'],
    ['20241201_143022_add_phone', 'begins with a time, which Prisma adds itself', 'add_phone'],
    ['', 'is not in lower_case_with_underscores', ''],
    ['../../etc', 'is not in lower_case_with_underscores', 'etc'],
    ['--', 'is not in lower_case_with_underscores', ''],
    ['a'.repeat(201), 'is longer than 200 characters', 'a'.repeat(200)],
  ])('the suggestion for %j: %s', (given, fault, right) => {
    expect(descriptionFault(given)).toBe(fault);
    expect(spelledRight(given)).toBe(right);
  });

  const found = async (...files: { migration: string; isPending?: boolean; content?: string }[]) => {
    const named = files.map(({ migration, content = 'SELECT 1;', isPending = true }): LintFile => ({
      migration,
      content,
      path: `${migration}/migration.sql`,
      isPending,
    }));
    const { findings } = await lintMigrations(named);
    return findings.map(({ rule, severity, file, line, column, message, rewrite }) => ({
      at: `${file}:${line}:${column}`,
      rule,
      severity,
      message,
      rewrite,
    }));
  };

  it('the lint warns of an invalid one, unless it is applied: the history has it under that name', async () => {
    expect(
      await found(
        { migration: '20241201_143022_first' },
        { migration: '20241202_add' },
        { migration: '20241203_add', isPending: false },
        {
          migration: '20241204_add',
          content: '-- pgkeep:allow migration-name because it came so\nSELECT 1;',
        },
      ),
    ).toEqual([
      {
        at: '20241202_add/migration.sql:1:1',
        rule: 'migration-name',
        severity: 'warning',
        message:
          'The name of this migration does not begin with its time. Migrations are applied in the order of their names, and a name should say what the migration does.',
        rewrite: '-- If no database has applied it, rename its directory: YYYYMMDD_HHMMSS_descriptive_name',
      },
    ]);
  });

  it('the lint warns of two naming styles in one directory', async () => {
    expect(
      await found(
        { migration: '20241201143022_first', isPending: false },
        { migration: '20241202_143022_second' },
        { migration: '20241203143022_third' },
      ),
    ).toEqual([
      {
        at: '20241202_143022_second/migration.sql:1:1',
        rule: 'migration-name',
        severity: 'warning',
        message:
          'The time in the name of this migration has the format YYYYMMDD_HHMMSS, but the first migration has YYYYMMDDHHMMSS. Migrations of one day are then applied in the wrong order.',
        rewrite: '-- If no database has applied it, rename its directory: YYYYMMDDHHMMSS_descriptive_name',
      },
    ]);
  });
});
