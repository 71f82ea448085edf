import type { FileRule } from '../rule.js';

export const editedAfterApply: FileRule = {
  id: 'edited-after-apply',
  severity: 'error',
  summary: 'A migration that was changed after it was applied',
  details: 'In more than its comments. [An accepted change](#what-is-checked) is no finding.',
  breaks:
    'This database has the old version, and the next database gets the new one. `prisma migrate dev` asks to reset the database.',
  instead: 'Restore the file, and write the change as a new migration; or accept a harmless change.',
  everyFile: true,
  checkFile: ({ file }) => {
    if (file.isEdited !== true) return [];
    const { migration = 'MIGRATION', editAcceptedBecause: reason } = file;
    return [
      {
        index: 0,
        message:
          'This migration was changed after it was applied. This database has the old version, the next database gets the new one, and `prisma migrate dev` asks to reset.',
        rewrite:
          '-- Restore the file from version control, and write the change as a new migration. If the change is harmless:\n' +
          `--   npx pgkeep migrate lint --accept-edit ${migration} --because "…"`,
        ...(reason !== undefined && { acceptedBecause: reason }),
      },
    ];
  },
};

export const sqlOutsideMigrations: FileRule = {
  id: 'sql-outside-migrations',
  severity: 'error',
  summary: 'A .sql file outside the migrations directory',
  details: 'With `--changed-since`.',
  breaks: 'If it is run by hand, it changes the database without an entry in its history.',
  instead: 'A migration; or a waiver if the file is never run against a guarded database.',
  everyFile: true,
  checkFile: ({ file }) =>
    file.isStray === true
      ? [
          {
            index: 0,
            message:
              'This SQL file is outside the migrations directory. If it is run by hand, it changes the database without an entry in its history.',
            rewrite:
              '-- Write it as a migration: `npx pgkeep migrate create NAME`; or waive this if the file is never run against a guarded database.',
          },
        ]
      : [],
};
