import { describe, expect, it } from '@jest/globals';
import { judgeSql } from '../../src/guard/prisma/read-script.js';

describe('destructive SQL', () => {
  it.each([
    ['DROP TABLE users', 'DROP TABLE', 1],
    ['SELECT 1;\n\n/* now\n */ DROP TABLE IF EXISTS "Users" CASCADE', 'DROP TABLE', 4],
    ['drop schema public cascade', 'DROP SCHEMA', 1],
    ['DROP VIEW v', 'DROP VIEW', 1],
    ['DROP MATERIALIZED VIEW v', 'DROP MATVIEW', 1],
    ['DROP DATABASE clinic', 'DROP', 1],
    ['DROP OWNED BY app', 'DROP', 1],
    ['DROP ROLE app', 'DROP', 1],
    ['TRUNCATE users', 'TRUNCATE', 1],
    ['DELETE FROM users', 'DELETE without WHERE', 1],
    ['DELETE FROM users WHERE true', 'DELETE without WHERE', 1],
    ['DELETE FROM users WHERE 1 = 1', 'DELETE without WHERE', 1],
    ['UPDATE users SET name = NULL', 'UPDATE without WHERE', 1],
    ['WITH d AS (DELETE FROM users RETURNING *) SELECT * FROM d', 'DELETE without WHERE', 1],
    ['EXPLAIN ANALYZE DELETE FROM users', 'DELETE without WHERE', 1],
    ['PREPARE p AS DELETE FROM users', 'DELETE without WHERE', 1],
    ['MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE', 'MERGE … DELETE', 1],
    ['ALTER TABLE users DROP COLUMN name', 'ALTER … DROP', 1],
    ['ALTER TABLE users DROP CONSTRAINT users_pkey', 'ALTER … DROP', 1],
    ['ALTER TABLE users ADD COLUMN a int, DROP COLUMN b', 'ALTER … DROP', 1],
    ['ALTER TYPE t DROP ATTRIBUTE a', 'ALTER … DROP', 1],
    ["DO $$ BEGIN EXECUTE 'DROP TABLE users'; END $$", 'a DO block', 1],
    ['CALL wipe()', 'CALL', 1],
    ["SELECT 'é';\nTRUNCATE users", 'TRUNCATE', 2],
    ['\u{FEFF}TRUNCATE users', 'TRUNCATE', 1],
    ['SELECT 1;\r\nTRUNCATE users;\r\n', 'TRUNCATE', 2],
  ])('%s', async (sql, what, line) => {
    expect(await judgeSql(sql)).toEqual({ kind: 'destructive', what, line });
  });

  it.each([
    '',
    '-- nothing\n',
    'SELECT * FROM users',
    "SELECT 'DROP TABLE users'",
    '-- DROP TABLE users\nSELECT 1',
    "INSERT INTO notes VALUES ('DELETE FROM users')",
    'DELETE FROM users WHERE id = 1',
    'UPDATE users SET name = upper(name) WHERE id IN (SELECT user_id FROM renamed)',
    'ALTER TABLE users ADD COLUMN a int',
    'ALTER TABLE users ALTER COLUMN a DROP NOT NULL',
    'CREATE INDEX CONCURRENTLY i ON users (a)',
    'CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users; END $$',
    'COPY (SELECT * FROM children) TO STDOUT',
  ])('does not include: %s', async (sql) => {
    expect(await judgeSql(sql)).toEqual({ kind: 'harmless' });
  });

  it('is unknown for SQL that PostgreSQL cannot parse', async () => {
    expect(await judgeSql('SELEKT 1')).toEqual({
      kind: 'unread',
      why: 'the script is not valid PostgreSQL (syntax error at or near "SELEKT")',
    });
  });
});
