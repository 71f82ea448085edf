import { describe, expect, it } from '@jest/globals';
import { lintMigrations } from '../../src/migrations/lint/lint-migrations.js';
import type { LintFile } from '../../src/migrations/lint/lint.types.js';

type Content = LintFile['content'];

/** `severity rule line:column message`, and the source line with its caret. */
async function found(content: Content, more: Partial<LintFile> = {}): Promise<string[]> {
  const { findings } = await lintMigrations([{ path: 'm', content, ...more }]);
  return findings.map(
    ({ severity, rule, line, column, message }) => `${severity} ${rule} ${line}:${column} ${message}`,
  );
}

async function caret(content: Content): Promise<string> {
  const [finding] = (await lintMigrations([{ path: 'm', content }])).findings;
  return finding ? `${finding.source.text}\n${' '.repeat(finding.source.before)}^` : '';
}

const TRUNCATED =
  'TRUNCATE removes every row of "t" (size unknown, assumed to be large) and fires no row trigger. Only a backup can restore the rows.';

describe('unusual files', () => {
  it('a syntax error in the middle: PostgreSQL’s message with its position in characters', async () => {
    const sql = '-- é ü 👶\nSELECT 1;\n\n  CREAT TABLE "é" ();\nSELECT 2;\n';
    expect(await found(sql)).toEqual([
      'error syntax-error 4:3 PostgreSQL refuses this: syntax error at or near "CREAT".',
    ]);
    expect(await caret(sql)).toBe('  CREAT TABLE "é" ();\n  ^');
    expect(await found('SELECT (1;')).toEqual([
      'error syntax-error 1:10 PostgreSQL refuses this: syntax error at or near ";".',
    ]);
    expect(await found(`SELECT 'never closed`)).toEqual([
      `error syntax-error 1:8 PostgreSQL refuses this: unterminated quoted string at or near "'never closed".`,
    ]);
  });

  it('positions after characters of two, three and four bytes', async () => {
    const sql = `/* é 世 👶 /* nested */ */ SELECT '👶👶'; /* é */ SET lock_timeout = '1s'; TRUNCATE "t";`;
    const column = Array.from(sql.slice(0, sql.indexOf('"t"'))).length + 1;
    expect(await found(sql)).toEqual([`error truncate 1:${column} ${TRUNCATED}`]);
    expect(await caret(`SET lock_timeout = '1s';\n/* 👶 */ TRUNCATE "t";`)).toBe(
      '/* 👶 */ TRUNCATE "t";\n                 ^',
    );
  });

  it('a byte order mark: refused; the rest is checked, with correct positions', async () => {
    const bytes = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from('TRUNCATE "t";')]);
    expect(await found(bytes)).toEqual([
      'error byte-order-mark 1:1 The file begins with a byte order mark. Prisma sends it to PostgreSQL, which refuses it as a syntax error.',
      `error truncate 1:10 ${TRUNCATED}`,
    ]);
  });

  it('CRLF: the same findings at the same positions', async () => {
    const sql = `SET lock_timeout = '5s';\n\n-- é\nTRUNCATE "t";\n`;
    expect(await found(sql.replaceAll('\n', '\r\n'))).toEqual(await found(sql));
    expect(await found(sql)).toEqual([`error truncate 4:10 ${TRUNCATED}`]);
    expect(await caret(sql.replaceAll('\n', '\r\n'))).toBe('TRUNCATE "t";\n         ^');
  });

  it.each(['', '\n', '  -- nothing yet\n', ';;', '\uFEFF'])('no statement in it: %j', async (content) => {
    expect((await found(content)).at(-1)).toBe(
      'info empty-migration 1:1 The file contains no statement: applying it changes nothing.',
    );
  });

  it.each([
    ['UTF-16, as PowerShell writes it', Buffer.from('\uFEFFSELECT 1;', 'utf16le')],
    ['Latin-1', Buffer.from('-- caf\u00e9\nSELECT 1;', 'latin1')],
  ])('%s', async (_, content) => {
    expect(await found(content)).toEqual([
      'error not-utf8 1:1 The file is not UTF-8 text, but UTF-16 (as PowerShell writes it) or another encoding. PostgreSQL refuses it.',
    ]);
  });

  it('a NUL byte does not hide what follows it', async () => {
    expect(await found('SELECT 1;\0 TRUNCATE "t";')).toEqual([
      'error not-utf8 1:1 The file contains a NUL byte. PostgreSQL refuses it, or reads only what is before it.',
    ]);
  });

  it('10 MB: many statements, one long line, one long literal', async () => {
    const row = `INSERT INTO "t" VALUES ('é ${'x'.repeat(1000)}', 12345, true);`;
    const many = `${`${row}\n`.repeat(9800)}TRUNCATE "t";`;
    expect(Buffer.byteLength(many)).toBeGreaterThan(9_900_000);
    expect((await found(many)).filter((line) => line.includes(' truncate '))).toEqual([
      `error truncate 9801:10 ${TRUNCATED}`,
    ]);
    const oneLine = `INSERT INTO "t" VALUES ('${'x'.repeat(10_000_000)}'); TRUNCATE "t";`;
    expect((await found(oneLine)).filter((line) => line.includes(' truncate '))).toEqual([
      `error truncate 1:10000039 ${TRUNCATED}`,
    ]);
    const cut = (await lintMigrations([{ path: 'm', content: oneLine }])).findings.map(
      ({ source }) => source.text.length,
    );
    expect(Math.max(...cut)).toBeLessThan(170);
  }, 60_000);

  it('a file that the parser cannot read is reported, and the others are checked', async () => {
    const deep = `SELECT 1${'+1'.repeat(200_000)};`;
    const { findings } = await lintMigrations([
      { path: 'deep', content: deep },
      { path: 'next', content: 'TRUNCATE "t";' },
    ]);
    expect(findings.map(({ file, rule, message }) => [file, rule, message])).toEqual([
      [
        'deep',
        'not-looked-into',
        'The parser failed (Maximum call stack size exceeded), so nothing in this file was checked.',
      ],
      ['next', 'truncate', TRUNCATED],
    ]);
  });

  it('a file edited after it was applied: reported although it is not checked', async () => {
    expect(await found('TRUNCATE "t";', { isJudged: false, isEdited: true })).toEqual([
      'error edited-after-apply 1:1 This migration was changed after it was applied. This database has the old version, the next database gets the new one, and `prisma migrate dev` asks to reset.',
    ]);
  });

  it('SQL outside the migrations directory: reported, not checked', async () => {
    expect(await found('TRUNCATE "t";', { isStray: true })).toEqual([
      'error sql-outside-migrations 1:1 This SQL file is outside the migrations directory. If it is run by hand, it changes the database without an entry in its history.',
    ]);
    const waived = '-- pgkeep:allow sql-outside-migrations because it fills the demo only\nTRUNCATE "t";';
    expect(await found(waived, { isStray: true })).toEqual([]);
  });
});

describe('DO blocks and functions', () => {
  const checked = (content: string): Promise<string[]> =>
    found(`SET lock_timeout = '5s'; SELECT 'é';\n${content}`);

  it('checks the statements of a DO block, with their positions', async () => {
    expect(
      await checked(`DO $$
DECLARE n integer;
BEGIN
  -- é
  IF NOT EXISTS (SELECT 1 FROM pg_class) THEN
    TRUNCATE "t";
  END IF;
  SELECT count(*) INTO n FROM "t";
  EXECUTE 'TRUNCATE "t"';
  FOR n IN 1..3 LOOP PERFORM n; END LOOP;
  EXECUTE format('TRUNCATE %I', 't');
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;`),
    ).toEqual([
      `error truncate 7:5 ${TRUNCATED}`,
      `error truncate 10:11 ${TRUNCATED}`,
      `info not-looked-into 12:11 Not checked: EXECUTE runs a text that is built at run time.`,
    ]);
  });

  it('does not check a function’s body, whose statements do not run here', async () => {
    expect(
      await checked(`CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $body$ BEGIN DELETE FROM "t"; END $body$;
CREATE FUNCTION g() RETURNS void BEGIN ATOMIC DELETE FROM "t"; END;`),
    ).toEqual([]);
  });

  it('reports what it cannot check', async () => {
    expect(await checked('DO LANGUAGE plpython3u $$ plpy.execute("x") $$;')).toEqual([
      'info not-looked-into 2:1 Not checked: the block is in plpython3u.',
    ]);
    expect(await checked('DO $$ this is no PL/pgSQL $$;')).toEqual([
      'info not-looked-into 2:1 Not checked: the block is not valid PL/pgSQL.',
    ]);
  });
});

describe('waivers', () => {
  const checked = (content: string): Promise<string[]> => found(`SET lock_timeout = '5s';\n${content}`);

  it('with a reason: allow the named rules in the next statement only', async () => {
    const { findings, waived } = await lintMigrations([
      {
        path: 'm',
        content: `SET lock_timeout = '5s';
-- Some words first.
-- pgkeep:allow truncate, cascade because the table is a cache
-- and some after.
TRUNCATE "t" CASCADE;
TRUNCATE "u";`,
      },
    ]);
    expect(findings.map(({ rule, line }) => [rule, line])).toEqual([['truncate', 6]]);
    // One finding for the statement: it also says what CASCADE does.
    expect(waived.map(({ rule, line, reason }) => [rule, line, reason])).toEqual([
      ['truncate', 5, 'the table is a cache'],
    ]);
  });

  it('inside a statement: apply to the next line', async () => {
    expect(
      await checked(`ALTER TABLE "t" ADD COLUMN "a" TEXT,
  -- pgkeep:allow required-column because the table was emptied by hand
  ADD COLUMN "b" TEXT NOT NULL,
  ADD COLUMN "c" TEXT NOT NULL;`).then((lines) => lines.map((line) => line.split(' ').slice(0, 3).join(' '))),
    ).toEqual(['error required-column 5:14']);
    expect(
      await checked(
        `DO $$ BEGIN\n-- pgkeep:allow truncate because it is a cache\nTRUNCATE "t";\nTRUNCATE "t";\nEND $$;`,
      ),
    ).toEqual([`error truncate 5:1 ${TRUNCATED}`]);
  });

  it('without a reason, without a finding, or of an unknown rule: are findings', async () => {
    expect(await checked('-- pgkeep:allow truncate\nTRUNCATE "t";')).toEqual([
      'error waiver-without-reason 2:1 This waiver has no reason, so it has no effect.',
      `error truncate 3:10 ${TRUNCATED}`,
    ]);
    expect(await checked('-- pgkeep:allow truncate because of it\nSELECT 1;')).toEqual([
      'warning unused-waiver 2:1 This waiver has no effect: no finding of truncate is below it.',
    ]);
    expect(await checked('-- pgkeep:allow truncat because of it\r\nTRUNCATE "t";')).toEqual([
      'warning unused-waiver 2:1 This waiver has no effect: there is no rule "truncat"; the nearest name is "truncate".',
      `error truncate 3:10 ${TRUNCATED}`,
    ]);
    expect(await checked('SELECT 1;\n-- pgkeep:allow truncate because of nothing below\n')).toEqual([
      'warning unused-waiver 3:1 This waiver has no effect: no finding of truncate is below it.',
    ]);
    expect(await checked('-- pgkeep:allow\nSELECT 1;')).toEqual([
      'error waiver-without-reason 2:1 This waiver has no reason, so it has no effect.',
    ]);
  });

  it('at the top: also apply to findings about the file', async () => {
    expect(await found('-- pgkeep:allow empty-migration because the name was needed\n')).toEqual([]);
  });
});
