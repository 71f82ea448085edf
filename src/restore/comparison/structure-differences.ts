import type { Catalogue, CatalogueSection } from '../../postgres/catalogue/read-catalogue.js';
import type { Inheritance } from './read-restored.js';

const NAME = String.raw`(?:"(?:[^"]|"")*"|[^\s".:]+)`;
export const TABLE_NAME = String.raw`${NAME}\.${NAME}`;
export const SIMPLE_NAME = NAME;

const CONSTRAINT = new RegExp(`^(${TABLE_NAME}) (${NAME}) (\\w)( not validated)?: (.*)$`, 's');
const KEY_TRIGGERS = new RegExp(`^(${TABLE_NAME}) foreign key (${NAME}) ([A-Z]+)$`);
const INDEX = new RegExp(`^(${TABLE_NAME})( invalid)?: (.*)$`, 's');
const INDEXED = new RegExp(` ON (?:ONLY )?(${TABLE_NAME}) USING `);
const RELATION = new RegExp(`^\\w (${TABLE_NAME})`);
const EXTENSION = new RegExp(`^(${NAME}) (\\S+) in (.+)$`);
const COLUMN = new RegExp(`^(${TABLE_NAME}\\.${NAME}) `);
const NOT_POPULATED = /^(m .*) not populated$/s;

/**
 * The rules of each section, in the order in which they are tried. Pure. What is not explained by one is lost or
 * wrong. docs/backup-comparison.md is the same list for people.
 */
const RULES: Readonly<Record<CatalogueSection, readonly Rule[]>> = {
  relations: [pairing(populatedFromNothing)],
  columns: [pairing(notNullOfParent)],
  constraints: [pairing(inheritedName), pairing(inheritedValidity), ofInvalidIndex],
  indexes: [
    ofExtensionTables,
    pairing(() => ({ ofMissing: valid, ofAdded: (line) => line, say: sayValid })),
    invalidIndex,
  ],
  triggers: [
    pairing(() => ({ ofMissing: enabledAgain, ofAdded: (line) => line, say: sayEnabled })),
    pairing(inheritedKeyTriggers),
  ],
  rowSecurity: [],
  extensions: [
    leftOutExtension,
    pairing(() => ({ ofMissing: unversioned, ofAdded: unversioned, say: sayVersion })),
  ],
};

/** Compares one section, line by line. Pure. */
export function differenceOf(
  section: CatalogueSection,
  found: Catalogue,
  context: DifferenceContext,
): Difference {
  const [before, after] = [context.expected[section], found[section]];
  const [wanted, there] = [new Set(before), new Set(after)];
  const start: Difference = {
    missing: before.filter((line) => !there.has(line)),
    added: after.filter((line) => !wanted.has(line)),
    reported: [],
  };
  return RULES[section].reduce((difference, rule) => rule(difference, context), start);
}

/** A partition's own name for the constraint that it has from above is in no dump. */
function inheritedName({ inheritance }: DifferenceContext): Pairing {
  const anonymous = (line: string): string | undefined => line.replace(CONSTRAINT, '$1 * $3$4: $5');
  return {
    ofMissing: anonymous,
    ofAdded: (line) => (isInherited(line, CONSTRAINT, inheritance) ? anonymous(line) : undefined),
    say: (missing, added) =>
      `constraint ${nameIn(missing, CONSTRAINT)} is named ${CONSTRAINT.exec(added)?.[2] ?? ''} now: a dump does not keep the name of a constraint that comes with the table above`,
  };
}

/** VALIDATE CONSTRAINT on a child alone: a dump says of the parent's constraint only whether that one is validated. */
function inheritedValidity({ inheritance }: DifferenceContext): Pairing {
  const anyway = (line: string): string | undefined =>
    line.replace(CONSTRAINT, (_all, table: string, name: string, kind: string, _not, definition: string) =>
      [table, name, kind, definition.replace(/ NOT VALID$/, '')].join(' '),
    );
  return {
    ofMissing: anyway,
    ofAdded: (line) => (isInherited(line, CONSTRAINT, inheritance) ? anyway(line) : undefined),
    say: (missing, added) =>
      `constraint ${nameIn(missing, CONSTRAINT)} is ${CONSTRAINT.exec(added)?.[4] ? 'NOT VALID' : 'validated'} now, as the parent's: a dump does not keep it for the child alone`,
  };
}

/** The triggers of a foreign key that has another name now. */
function inheritedKeyTriggers({ inheritance }: DifferenceContext): Pairing {
  const anonymous = (line: string): string | undefined =>
    KEY_TRIGGERS.test(line) ? enabledAgain(line).replace(KEY_TRIGGERS, '$1 * $3') : undefined;
  return {
    ofMissing: anonymous,
    ofAdded: (line) => (isInherited(line, KEY_TRIGGERS, inheritance) ? anonymous(line) : undefined),
    say: (missing, added) =>
      `foreign key ${nameIn(missing, KEY_TRIGGERS)} is named ${KEY_TRIGGERS.exec(added)?.[2] ?? ''} now, and so are its triggers`,
  };
}

/** A child whose NOT NULL was dropped, below a parent that has it. */
function notNullOfParent({ inheritance }: DifferenceContext): Pairing {
  const nullable = (line: string): string => line.replace(/ not null(?=$| |:)/, '');
  return {
    ofMissing: (line) => line,
    ofAdded: (line) => (inheritance.columns.has(COLUMN.exec(line)?.[1] ?? '') ? nullable(line) : undefined),
    say: (missing) =>
      `column ${COLUMN.exec(missing)?.[1] ?? missing} is NOT NULL now, as the parent's: a dump does not keep that it was not`,
  };
}

/** The extension makes them with its table, which is none of the backup's. */
function ofExtensionTables(
  { missing, added, reported }: Difference,
  { expected }: DifferenceContext,
): Difference {
  const own = new Set(expected.relations.map((line) => RELATION.exec(line)?.[1]));
  const isOwn = (line: string): boolean => own.has(INDEXED.exec(line)?.[1]);
  const foreign = [...missing, ...added].filter((line) => !isOwn(line));
  return {
    missing: missing.filter(isOwn),
    added: added.filter(isOwn),
    reported: [
      ...reported,
      ...foreign.map(
        (line) => `index ${INDEX.exec(line)?.[1] ?? line} is of an extension's own table, and differs`,
      ),
    ],
  };
}

/** pg_dump writes no index that is not valid, and with it not the constraint that it stands for. */
function invalidIndex({ missing, added, reported }: Difference): Difference {
  const invalid = missing.filter((line) => INDEX.exec(line)?.[2] !== undefined);
  return {
    missing: missing.filter((line) => !invalid.includes(line)),
    added,
    reported: [
      ...reported,
      ...invalid.map(
        (line) =>
          `index ${INDEX.exec(line)?.[1] ?? line} was invalid and is not there now: a dump leaves it out`,
      ),
    ],
  };
}

function ofInvalidIndex(
  { missing, added, reported }: Difference,
  { expected }: DifferenceContext,
): Difference {
  const invalid = new Set(
    expected.indexes.flatMap((line) => (INDEX.exec(line)?.[2] === undefined ? [] : [INDEX.exec(line)?.[1]])),
  );
  const without = missing.filter((line) => {
    const [, table = '', name = ''] = CONSTRAINT.exec(line) ?? [];
    return invalid.has(`${new RegExp(`^${NAME}`).exec(table)?.[0] ?? ''}.${name}`);
  });
  return {
    missing: missing.filter((line) => !without.includes(line)),
    added,
    reported: [
      ...reported,
      ...without.map(
        (line) =>
          `constraint ${nameIn(line, CONSTRAINT)} stood on an invalid index and is not there now: a dump leaves it out`,
      ),
    ],
  };
}

function leftOutExtension(
  { missing, added, reported }: Difference,
  { leftOut }: DifferenceContext,
): Difference {
  const out = missing.filter((line) => leftOut.has(EXTENSION.exec(line)?.[1] ?? ''));
  return {
    missing: missing.filter((line) => !out.includes(line)),
    added,
    reported: [
      ...reported,
      ...out.map((line) => {
        const name = EXTENSION.exec(line)?.[1] ?? '';
        return `extension ${name} was left out: ${leftOut.get(name) ?? ''}`;
      }),
    ],
  };
}

function isInherited(line: string, pattern: RegExp, { constraints }: Inheritance): boolean {
  const [, table = '', name = ''] = pattern.exec(line) ?? [];
  return constraints.has(`${table} ${name}`);
}

function nameIn(line: string, pattern: RegExp): string {
  const [, table = '', name = ''] = pattern.exec(line) ?? [];
  return `${name} of ${table}`;
}

/** A foreign key whose triggers are disabled (letters other than O) as pg_dump writes it: as if they were not. */
function enabledAgain(line: string): string {
  return line.replace(
    KEY_TRIGGERS,
    (_all, table: string, name: string, states: string) =>
      `${table} foreign key ${name} ${'O'.repeat(states.length)}`,
  );
}

function sayEnabled(missing: string): string {
  return `${missing} is on again: a dump does not keep that it was off`;
}

/** Where one was not populated, those that select from it cannot be refreshed. */
function populatedFromNothing({ expected }: DifferenceContext): Pairing {
  const isAny = expected.relations.some((line) => NOT_POPULATED.test(line));
  return {
    ofMissing: (line) => line,
    ofAdded: (line) => (isAny ? NOT_POPULATED.exec(line)?.[1] : undefined),
    say: sayNotPopulated,
  };
}

function sayNotPopulated(missing: string): string {
  return `materialized view ${missing.slice(2)} is not populated now: it selects from one that was not, and a restore cannot refresh it`;
}

/** An index of a partitioned table becomes valid with the last of its partitions' indexes. */
function valid(line: string): string | undefined {
  return INDEX.exec(line)?.[2] === undefined ? undefined : line.replace(INDEX, '$1: $3');
}

function sayValid(missing: string): string {
  return `index ${INDEX.exec(missing)?.[1] ?? missing} was invalid and is valid now`;
}

function unversioned(line: string): string | undefined {
  return EXTENSION.test(line) ? line.replace(EXTENSION, '$1 in $3') : undefined;
}

function sayVersion(missing: string, added: string): string {
  const [, name = '', before = ''] = EXTENSION.exec(missing) ?? [];
  return `extension ${name} was ${before} and is ${EXTENSION.exec(added)?.[2] ?? ''} now: a dump names no version, and a restore makes the server's default`;
}

/** Where one section of two fingerprints differs, and what of it no restore can avoid. */
interface Difference {
  /** Lines of the backup that the restored database does not have. */
  readonly missing: readonly string[];
  /** Lines of the restored database that the backup does not have. */
  readonly added: readonly string[];
  /** Differences that are explained: what pg_dump and pg_restore do not keep. */
  readonly reported: readonly string[];
}

/** What the rules know besides the lines. */
export interface DifferenceContext {
  readonly inheritance: Inheritance;
  /** The backup's fingerprint. */
  readonly expected: Catalogue;
  /** Extensions that were left out on purpose, and why. */
  readonly leftOut: ReadonlyMap<string, string>;
}

/** Two lines that are the same but for something that a restore changes. */
interface Pairing {
  /** What both lines have in common; undefined for lines that the rule is not about. */
  readonly ofMissing: (line: string) => string | undefined;
  readonly ofAdded: (line: string) => string | undefined;
  readonly say: (missing: string, added: string) => string;
}

/** Takes away what it explains. */
type Rule = (difference: Difference, context: DifferenceContext) => Difference;

/** A rule that takes lines away in pairs: as many as there are on both sides, and no more. */
function pairing(of: (context: DifferenceContext) => Pairing): Rule {
  return ({ missing, added, reported }, context) => {
    const { ofMissing, ofAdded, say } = of(context);
    const free = [...added];
    const said: string[] = [];
    const left = missing.filter((line) => {
      const common = ofMissing(line);
      const index = common === undefined ? -1 : free.findIndex((other) => ofAdded(other) === common);
      const [partner] = index < 0 ? [] : free.splice(index, 1);
      if (partner === undefined) return true;
      said.push(say(line, partner));
      return false;
    });
    return { missing: left, added: free, reported: [...reported, ...said] };
  };
}
