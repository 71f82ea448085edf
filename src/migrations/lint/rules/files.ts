import type { Obstacle, ParsedFile } from '../../sql/parse-files.js';
import type { FileRule, Violation } from '../rule.js';

export const syntaxError: FileRule = {
  id: 'syntax-error',
  severity: 'error',
  summary: 'SQL that PostgreSQL refuses',
  details: 'By PostgreSQL’s own grammar, and in its own words.',
  breaks: 'The migration fails.',
  instead: 'Correct the SQL.',
  cannotBeWaived: true,
  checkFile: (file) => obstaclesOf(file, 'syntax'),
};

export const notUtf8: FileRule = {
  id: 'not-utf8',
  severity: 'error',
  summary: 'A file that is not UTF-8 text',
  details: 'UTF-16, Latin-1, or a NUL byte in it.',
  breaks: 'The migration fails.',
  instead: 'Save the file as UTF-8.',
  cannotBeWaived: true,
  checkFile: (file) => obstaclesOf(file, 'encoding'),
};

export const byteOrderMark: FileRule = {
  id: 'byte-order-mark',
  severity: 'error',
  summary: 'A file that begins with a byte order mark',
  breaks: 'Prisma sends the mark to PostgreSQL, which refuses it as a syntax error. The migration fails.',
  instead: 'Save the file as UTF-8 without BOM.',
  checkFile: ({ source }) =>
    source.hasByteOrderMark
      ? [
          {
            index: 0,
            message:
              'The file begins with a byte order mark. Prisma sends it to PostgreSQL, which refuses it as a syntax error.',
            rewrite: '-- Save the file as UTF-8 without BOM.',
          },
        ]
      : [],
};

export const noScript: FileRule = {
  id: 'no-script',
  severity: 'error',
  summary: 'A migration directory without migration.sql',
  breaks: 'Prisma and pgkeep refuse every deploy (P3015).',
  instead: 'Restore the file from version control, or remove the directory.',
  cannotBeWaived: true,
  checkFile: (file) =>
    obstaclesOf(file, 'missing', '-- Restore migration.sql from version control, or remove the directory.'),
};

export const emptyMigration: FileRule = {
  id: 'empty-migration',
  severity: 'info',
  summary: 'A file without a statement',
  breaks: 'Nothing.',
  instead: 'Remove the migration if it is not needed.',
  checkFile: ({ statements, obstacles }) =>
    statements.length === 0 && obstacles.length === 0
      ? [{ index: 0, message: 'The file contains no statement: applying it changes nothing.' }]
      : [],
};

export const notLookedInto: FileRule = {
  id: 'not-looked-into',
  severity: 'info',
  summary: 'SQL that is unknown until it runs',
  details:
    'An `EXECUTE` of a text that is built at run time, or a `DO` block in another language than PL/pgSQL.',
  breaks: 'The rules cannot check it.',
  instead: 'Write the SQL out where that is possible.',
  on: ['DoStmt'],
  checkFile: (file) => obstaclesOf(file, 'unknown'),
};

function obstaclesOf({ obstacles }: ParsedFile, kind: Obstacle['kind'], rewrite = ''): Violation[] {
  return obstacles
    .filter((obstacle) => obstacle.kind === kind)
    .map(({ message, index }) => ({ message, index, rewrite }));
}

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
