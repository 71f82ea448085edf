import { describe, expect, it } from '@jest/globals';
import { namesObject } from '../../src/deploy/back-up-and-record.js';
import type { DriftedObject } from '../../src/drift/drift.types.js';

const of = (home: string, object: string): DriftedObject => ({
  section: 'columns',
  home,
  object,
  change: 'added',
  was: null,
  is: '',
});

describe('whether a migration names an object', () => {
  it.each([
    [
      'ALTER TABLE "children" ADD COLUMN IF NOT EXISTS "shoeSize" INT',
      'public.children',
      'column "shoeSize"',
      true,
    ],
    ['alter table CHILDREN add column SHOE int', 'public.children', 'column shoe', true],
    ['ALTER TABLE parents ADD COLUMN shoe INT', 'public.children', 'column shoe', false],
    ['ALTER TABLE children ADD COLUMN shoe_size INT', 'public.children', 'column shoe', false],
    ['CREATE TABLE IF NOT EXISTS "notes" ()', 'public.notes', 'table', true],
    ['CREATE TABLE IF NOT EXISTS "other" ()', 'public.notes', 'table', false],
    ['CREATE OR REPLACE FUNCTION greet(name text) …', '', 'function public.greet(name text)', true],
    ['SELECT text, name FROM other', '', 'function public.greet(name text)', false],
    [`ALTER TYPE mood ADD VALUE IF NOT EXISTS 'x'`, '', 'enum public.mood', true],
    ['ALTER TABLE notes ENABLE ROW LEVEL SECURITY', 'public.notes', 'row security', true],
    ['ALTER TABLE notes ADD security int', 'public.notes', 'row security', false],
    ['CREATE TABLE "tab le" ("co""l" int)', '"we""ird"."tab le"', 'column "co""l"', true],
  ])('%s: %s %s', (sql, home, object, expected) => {
    expect(namesObject(sql, of(home, object))).toBe(expected);
  });
});
