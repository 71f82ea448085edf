import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { onlyAddsComments } from '../../src/migrations/lint/edited-files.js';
import { loadSqlParser } from '../../src/migrations/sql/sql-parser.js';

const APPLIED = `-- DropTable
DROP TABLE IF EXISTS "shelf" CASCADE;

-- é
CREATE TABLE "t" ("note" TEXT DEFAULT '-- no comment', "b" INT); -- new
`;
const WAIVER = '-- pgkeep:allow drop-table because é\n';

async function isHarmless(changed: string, applied = APPLIED): Promise<boolean> {
  const checksum = createHash('sha256').update(applied).digest('hex');
  return onlyAddsComments(changed, checksum, await loadSqlParser());
}

describe('comments that are added to an applied migration', () => {
  it.each([
    ['a waiver at the top', `${WAIVER}${APPLIED}`],
    ['a waiver above the statement', APPLIED.replace('DROP', `${WAIVER}DROP`)],
    ['waivers at two places', APPLIED.replace('DROP', `${WAIVER}DROP`).replace('CREATE', `${WAIVER}CREATE`)],
    ['a waiver, indented', `  ${WAIVER}${APPLIED}`],
    ['a waiver, with the other line ends', `${WAIVER}${APPLIED}`.replaceAll('\n', '\r\n')],
    ['a block and a blank line', `/* long ago,\n   and gone */\n\n${APPLIED}`],
    ['two comments, one behind the other', `-- one\n/* two */\n${APPLIED}`],
    ['one behind a statement', APPLIED.replace('CASCADE;', 'CASCADE; -- it is empty')],
    ['one inside a statement', APPLIED.replace('"note"', '/* free text */ "note"')],
    ['one at the end', `${APPLIED}-- the end\n`],
  ])('%s', async (_, changed) => {
    expect(await isHarmless(changed)).toBe(true);
  });

  it.each([
    ['a statement', `${APPLIED}SELECT 1;\n`],
    ['a statement and a waiver', `${WAIVER}${APPLIED}SELECT 1;\n`],
    ['a comment that takes a statement out', APPLIED.replace('DROP', '-- DROP')],
    ['a comment in a text', APPLIED.replace('-- no comment', '-- no comment -- at all')],
    ['a comment that is gone', APPLIED.replace('-- é\n', '')],
    ['what no scanner reads', `${WAIVER}${APPLIED}'`],
    ['nothing but comments', WAIVER],
  ])('not: %s', async (_, changed) => {
    expect(await isHarmless(changed)).toBe(false);
  });

  it('not: a comment that separates two words', async () => {
    expect(await isHarmless('SELECT a/**/b;', 'SELECT ab;')).toBe(false);
  });
});
