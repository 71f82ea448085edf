import type { Catalogue, CatalogueSection } from '../../postgres/catalogue/read-catalogue.js';
import type { Inheritance } from './read-restored.js';
import {
  COLUMN_LINE,
  CONSTRAINT_LINE,
  describeLine,
  EXTENSION_LINE,
  INDEX_LINE,
  KEY_TRIGGERS_LINE,
  NAME,
  RELATION_LINE,
  TABLE_NAME,
} from './structure-lines.js';

const INDEXED_TABLE = new RegExp(` ON (?:ONLY )?(${TABLE_NAME}) USING `);
const NOT_POPULATED = /^(m .*) not populated$/s;

/** Where one section of two fingerprints differs, and which differences no restore can avoid. */
export interface Difference {
  /** Lines of the backup that the restored database does not have. */
  readonly missing: readonly string[];
  /** Lines of the restored database that the backup does not have. */
  readonly added: readonly string[];
  /** Texts about the differences that pg_dump and pg_restore cause. */
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

/** Moves the differences that it explains to `reported`. */
type Rule = (difference: Difference, context: DifferenceContext) => Difference;

/** Two lines that are the same except for something that a restore changes. */
interface Pairing {
  /** What both lines have in common; undefined for lines that the rule is not about. */
  readonly ofMissing: (line: string) => string | undefined;
  readonly ofAdded: (line: string) => string | undefined;
  readonly explain: (missing: string, added: string) => string;
}

/**
 * The rules of each section, in the order in which they are applied. A difference that no rule explains is a finding.
 * docs/backup-comparison.md is the same list for people.
 */
const RULES: Readonly<Record<CatalogueSection, readonly Rule[]>> = {
  relations: [pairing(populatedFromNothing)],
  columns: [pairing(notNullOfParent)],
  constraints: [pairing(inheritedName), pairing(inheritedValidity), constraintOnInvalidIndex],
  indexes: [indexOfExtensionTable, pairing(indexNowValid), invalidIndex],
  triggers: [pairing(keyTriggersNowEnabled), pairing(inheritedKeyTriggers)],
  rowSecurity: [],
  extensions: [leftOutExtension, pairing(extensionVersion)],
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

/** Returns a rule that explains lines in pairs: as many as there are on both sides, and no more. */
function pairing(of: (context: DifferenceContext) => Pairing): Rule {
  return ({ missing, added, reported }, context) => {
    const { ofMissing, ofAdded, explain } = of(context);
    const unpaired = [...added];
    const explained: string[] = [];
    const left = missing.filter((line) => {
      const common = ofMissing(line);
      const index = common === undefined ? -1 : unpaired.findIndex((other) => ofAdded(other) === common);
      const [partner] = index < 0 ? [] : unpaired.splice(index, 1);
      if (partner === undefined) return true;
      explained.push(explain(line, partner));
      return false;
    });
    return { missing: left, added: unpaired, reported: [...reported, ...explained] };
  };
}

/** Explains the missing lines that `isExplained` chooses. */
function explainMissing(
  { missing, added, reported }: Difference,
  isExplained: (line: string) => boolean,
  explain: (line: string) => string,
): Difference {
  return {
    missing: missing.filter((line) => !isExplained(line)),
    added,
    reported: [...reported, ...missing.filter(isExplained).map(explain)],
  };
}

/** A dump does not contain the name that a partition has for a constraint of its parent. */
function inheritedName({ inheritance }: DifferenceContext): Pairing {
  const unnamed = (line: string): string => line.replace(CONSTRAINT_LINE, '$1 * $3$4: $5');
  return {
    ofMissing: unnamed,
    ofAdded: (line) => (isInherited(line, CONSTRAINT_LINE, inheritance) ? unnamed(line) : undefined),
    explain: (missing, added) =>
      `constraint ${nameIn(missing, CONSTRAINT_LINE)} is now named ${CONSTRAINT_LINE.exec(added)?.[2] ?? ''}: a dump does not contain the name of an inherited constraint`,
  };
}

/** VALIDATE CONSTRAINT on a child alone: a dump contains only whether the parent's constraint is validated. */
function inheritedValidity({ inheritance }: DifferenceContext): Pairing {
  const withoutValidity = (line: string): string =>
    line.replace(
      CONSTRAINT_LINE,
      (_all, table: string, name: string, kind: string, _not, definition: string) =>
        [table, name, kind, definition.replace(/ NOT VALID$/, '')].join(' '),
    );
  return {
    ofMissing: withoutValidity,
    ofAdded: (line) => (isInherited(line, CONSTRAINT_LINE, inheritance) ? withoutValidity(line) : undefined),
    explain: (missing, added) =>
      `constraint ${nameIn(missing, CONSTRAINT_LINE)} is now ${CONSTRAINT_LINE.exec(added)?.[4] ? 'NOT VALID' : 'validated'}, as on the parent: a dump does not record it for the child`,
  };
}

/** The triggers of a foreign key that has another name now. */
function inheritedKeyTriggers({ inheritance }: DifferenceContext): Pairing {
  const unnamed = (line: string): string | undefined =>
    KEY_TRIGGERS_LINE.test(line)
      ? withKeyTriggersEnabled(line).replace(KEY_TRIGGERS_LINE, '$1 * $3')
      : undefined;
  return {
    ofMissing: unnamed,
    ofAdded: (line) => (isInherited(line, KEY_TRIGGERS_LINE, inheritance) ? unnamed(line) : undefined),
    explain: (missing, added) =>
      `foreign key ${nameIn(missing, KEY_TRIGGERS_LINE)} is now named ${KEY_TRIGGERS_LINE.exec(added)?.[2] ?? ''}, and so are its triggers`,
  };
}

function keyTriggersNowEnabled(): Pairing {
  return {
    ofMissing: withKeyTriggersEnabled,
    ofAdded: (line) => line,
    explain: (missing) =>
      `foreign key ${nameIn(missing, KEY_TRIGGERS_LINE)} is enabled again: a dump does not record that it was disabled`,
  };
}

/** Returns a foreign key whose triggers are disabled (letters other than O) as a restore creates it: enabled. */
function withKeyTriggersEnabled(line: string): string {
  return line.replace(
    KEY_TRIGGERS_LINE,
    (_all, table: string, name: string, states: string) =>
      `${table} foreign key ${name} ${'O'.repeat(states.length)}`,
  );
}

/** A child whose NOT NULL was dropped while its parent's was not. */
function notNullOfParent({ inheritance }: DifferenceContext): Pairing {
  const nullable = (line: string): string => line.replace(/ not null(?=$| |:)/, '');
  return {
    ofMissing: (line) => line,
    ofAdded: (line) =>
      inheritance.columns.has(COLUMN_LINE.exec(line)?.[1] ?? '') ? nullable(line) : undefined,
    explain: (missing) =>
      `column ${COLUMN_LINE.exec(missing)?.[1] ?? missing} is now NOT NULL, as on the parent: a dump does not record that it was dropped on the child`,
  };
}

/** The extension creates them with its table, which the backup does not contain. */
function indexOfExtensionTable(
  { missing, added, reported }: Difference,
  { expected }: DifferenceContext,
): Difference {
  const tables = new Set(expected.relations.map((line) => RELATION_LINE.exec(line)?.[2]));
  const isBackedUp = (line: string): boolean => tables.has(INDEXED_TABLE.exec(line)?.[1]);
  const ofExtensions = [...missing, ...added].filter((line) => !isBackedUp(line));
  return {
    missing: missing.filter(isBackedUp),
    added: added.filter(isBackedUp),
    reported: [
      ...reported,
      ...ofExtensions.map((line) => `index ${indexName(line)} of an extension's table differs`),
    ],
  };
}

/** An index of a partitioned table becomes valid when the last of its partitions' indexes is attached. */
function indexNowValid(): Pairing {
  return {
    ofMissing: (line) => (isInvalid(line) ? line.replace(INDEX_LINE, '$1: $3') : undefined),
    ofAdded: (line) => line,
    explain: (missing) => `index ${indexName(missing)} was invalid and is now valid`,
  };
}

/** pg_dump does not write an index that is not valid, nor the constraint that is based on it. */
function invalidIndex(difference: Difference): Difference {
  return explainMissing(
    difference,
    isInvalid,
    (line) => `invalid index ${indexName(line)} was not restored: a dump does not contain it`,
  );
}

function constraintOnInvalidIndex(difference: Difference, { expected }: DifferenceContext): Difference {
  const invalid = new Set(expected.indexes.filter(isInvalid).map(indexName));
  const isOnInvalidIndex = (line: string): boolean => {
    const [, table = '', name = ''] = CONSTRAINT_LINE.exec(line) ?? [];
    const [schema = ''] = new RegExp(`^${NAME}`).exec(table) ?? [];
    return invalid.has(`${schema}.${name}`);
  };
  return explainMissing(
    difference,
    isOnInvalidIndex,
    (line) =>
      `constraint ${nameIn(line, CONSTRAINT_LINE)} was not restored: its index was invalid, and a dump does not contain it`,
  );
}

function leftOutExtension(difference: Difference, { leftOut }: DifferenceContext): Difference {
  const nameOf = (line: string): string => EXTENSION_LINE.exec(line)?.[1] ?? '';
  return explainMissing(
    difference,
    (line) => leftOut.has(nameOf(line)),
    (line) => `extension ${nameOf(line)} was left out: ${leftOut.get(nameOf(line)) ?? ''}`,
  );
}

/** The views that select from one that is not populated cannot be refreshed. */
function populatedFromNothing({ expected }: DifferenceContext): Pairing {
  const isAny = expected.relations.some((line) => NOT_POPULATED.test(line));
  return {
    ofMissing: (line) => line,
    ofAdded: (line) => (isAny ? NOT_POPULATED.exec(line)?.[1] : undefined),
    explain: (missing) =>
      `${describeLine('relations', missing).object} is now empty (not populated): it selects from a view that was not populated, so that a restore cannot refresh it`,
  };
}

function extensionVersion(): Pairing {
  const unversioned = (line: string): string | undefined =>
    EXTENSION_LINE.test(line) ? line.replace(EXTENSION_LINE, '$1 in $3') : undefined;
  return {
    ofMissing: unversioned,
    ofAdded: unversioned,
    explain: (missing, added) => {
      const [, name = '', before = ''] = EXTENSION_LINE.exec(missing) ?? [];
      return `extension ${name} was version ${before} and is now ${EXTENSION_LINE.exec(added)?.[2] ?? ''}: a dump does not contain the version, and a restore installs the server's default`;
    },
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

function indexName(line: string): string {
  return INDEX_LINE.exec(line)?.[1] ?? line;
}

function isInvalid(line: string): boolean {
  return INDEX_LINE.exec(line)?.[2] !== undefined;
}
