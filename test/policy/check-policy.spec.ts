import { describe, expect, it } from '@jest/globals';
import { checkPolicy } from '../../src/policy/check-policy.js';
import { readPrismaSchema } from '../../src/prisma-schema/read-prisma-schema.js';

function findingsOf(text: string): string[] {
  const { findings } = checkPolicy(readPrismaSchema([{ path: 's.prisma', text }]));
  return findings.map(({ line, text: finding }) => `${line}: ${finding}`);
}

/** A model with an id, so that a test names only what it tests. */
function model(name: string, body: string, annotations = ''): string {
  return `/// ${annotations}\nmodel ${name} {\nid Int @id\n${body}\n}\n`;
}

describe('checkPolicy', () => {
  it.each([
    ['@pgkeep.neverDelte', '1: model A: @pgkeep.neverDelte is not a rule. Did you mean @pgkeep.neverDelete?'],
    ['@pgkeep.zzz', '1: model A: @pgkeep.zzz is not a rule.'],
    ['@pgkeep.', '1: model A: @pgkeep. is not a rule.'],
    ['@pgkeep.owner', '1: model A: @pgkeep.owner belongs to a field.'],
    ['@pgkeep.neverDelete(x)', '1: model A: @pgkeep.neverDelete takes no arguments; found "x".'],
    ['@pgkeep.readOnly(all)', '1: model A: @pgkeep.readOnly takes nothing, or "corrections"; found "all".'],
    [
      '@pgkeep.retain',
      '1: model A: @pgkeep.retain takes one text: the law or the reason, and how long. Example: @pgkeep.retain("medical record, 25 years").',
    ],
    [
      '@pgkeep.deletable @pgkeep.neverDelete',
      '1: model A: @pgkeep.deletable and @pgkeep.neverDelete contradict each other: its rows can be deleted, or never.',
    ],
    [
      '@pgkeep.appendOnly @pgkeep.corrections',
      '1: model A: @pgkeep.appendOnly and @pgkeep.corrections contradict each other: a row of an append-only table is never changed.',
    ],
  ])('reports a faulty annotation of a model: %s', (annotations, finding) => {
    // A documentation comment stands on line 1, the model on line 2: contradictions are about the model.
    const line = finding.includes('contradict') ? finding.replace(/^1:/, '2:') : finding;
    expect(findingsOf(model('A', '', annotations))).toEqual([line]);
  });

  it.each([
    [
      'x String /// @pgkeep.personal(nmae)',
      '4: field A.x: @pgkeep.personal takes one of email, phone, name, text, digits, year, secret, uuid, url, ip, json, null, keep, or nothing; found "nmae". Did you mean name?',
    ],
    ['x String /// @pgkeep.subject', '4: field A.x: @pgkeep.subject belongs to a model.'],
    [
      'x Int /// @pgkeep.personal(name)',
      '4: field A.x: the method name replaces a String, and the field is a Int.',
    ],
    ['x String /// @pgkeep.personal(null)', '4: field A.x: the method null needs an optional field.'],
    [
      'x String @db.VarChar(20) /// @pgkeep.personal(email)',
      '4: field A.x: the method email needs at least 38 characters, and the column has 20.',
    ],
    [
      'x String /// @pgkeep.personal(name) @pgkeep.notPersonal',
      '4: field A.x: @pgkeep.personal and @pgkeep.notPersonal contradict each other.',
    ],
    [
      'x String /// @pgkeep.owner',
      '4: field A.x: @pgkeep.owner belongs to the relation field that has the foreign key (fields: […]).',
    ],
  ])('reports a faulty annotation of a field: %s', (field, finding) => {
    expect(findingsOf(model('A', field))).toEqual([finding]);
  });

  it('refuses a personal value as the key of a person', () => {
    expect(findingsOf('model A {\n  mail String @id /// @pgkeep.personal(email)\n}')).toEqual([
      '2: field A.mail: a primary key cannot be replaced. Use a key that is not personal, or @pgkeep.personal(keep).',
    ]);
  });

  it('requires a classification of values that belong to a person, through every owner', () => {
    const text = [
      model(
        'Person',
        'name String\nage Int\nborn DateTime\ncreated DateTime @default(now())\nnotes Note[]',
        '@pgkeep.subject',
      ),
      model(
        'Note',
        'text String\nperson Person @relation(fields: [personId], references: [id], onDelete: Cascade)\npersonId Int\nparts Part[]',
      ),
      model(
        'Part',
        'scan Bytes /// @pgkeep.notPersonal\nbody Json\nnote Note @relation(fields: [noteId], references: [id]) /// @pgkeep.owner\nnoteId Int',
      ),
      model('Other', 'text String'),
    ].join('');
    const unclassified = (field: string) =>
      `field ${field}: the row belongs to a person, and nothing says whether this value is personal. Add /// @pgkeep.personal(METHOD) or /// @pgkeep.notPersonal.`;
    expect(findingsOf(text)).toEqual([
      `4: ${unclassified('Person.name')}`,
      `6: ${unclassified('Person.born')}`,
      `13: ${unclassified('Note.text')}`,
      `22: ${unclassified('Part.body')}`,
    ]);
  });

  it('requires an owner, and reports a cascade into rows that must never be deleted', () => {
    const text = [
      model('Person', 'notes Note[]\nvisits Visit[]'),
      model(
        'Note',
        'person Person? @relation(fields: [personId], references: [id]) /// @pgkeep.owner\npersonId Int?',
      ),
      model(
        'Visit',
        'person Person @relation(fields: [personId], references: [id], onDelete: Cascade)\npersonId Int',
        '@pgkeep.neverDelete',
      ),
    ].join('');
    expect(findingsOf(text)).toEqual([
      '10: field Note.person: an owner is required, and this relation is optional. Fill the rows without one, then make the relation required.',
      '16: field Visit.person: rows of Visit are never deleted, so deleting a Person that has some is refused. Write onDelete: Restrict, which says the same.',
    ]);
  });

  it('refuses soft deletion of rows that must never change', () => {
    expect(findingsOf(model('A', 'deletedAt DateTime?', '@pgkeep.appendOnly'))).toEqual([
      '4: model A: its rows never change, so they cannot be marked as deleted. Remove the field deletedAt, or the rule.',
    ]);
  });

  describe('the annotations of the datasource', () => {
    const datasource = (annotations: string): string =>
      `/// ${annotations}\ndatasource db {\n  provider = "postgresql"\n}\n`;

    it.each([
      [
        '@pgkeep.everyModels',
        '1: datasource: @pgkeep.everyModels is not a rule. Did you mean @pgkeep.everyModel?',
      ],
      ['@pgkeep.neverDelete', '1: datasource: @pgkeep.neverDelete belongs to a model.'],
      ['@pgkeep.everyModel(all)', '1: datasource: @pgkeep.everyModel takes no arguments; found "all".'],
    ])('can be faulty: %s', (annotations, finding) => {
      expect(findingsOf(`${datasource(annotations)}${model('A', '', '@pgkeep.neverDelete')}`)).toEqual([
        finding,
      ]);
    });

    it('can ask for a rule of every model; each rule for rows is one', () => {
      const rules = ['neverDelete', 'appendOnly', 'readOnly', 'corrections', 'deletable'];
      const text = [
        datasource('@pgkeep.everyModel'),
        ...rules.map((rule, index) => model(`M${index}`, '', `@pgkeep.${rule}`)),
        model('Soft', 'deletedAt DateTime?'),
        model('Other', 'name String /// @pgkeep.immutable'),
      ].join('');
      expect(findingsOf(text)).toEqual([
        `${text.slice(0, text.indexOf('model Other')).split('\n').length}: model Other: no rule says what may happen to its rows, and the datasource wants one for every model (@pgkeep.everyModel). Add /// @pgkeep.neverDelete, or another rule; /// @pgkeep.deletable allows everything.`,
      ]);
    });

    it('belong to no model', () => {
      expect(findingsOf(model('A', '', '@pgkeep.everyModel'))).toEqual([
        '1: model A: @pgkeep.everyModel belongs to the datasource.',
      ]);
    });
  });
});
