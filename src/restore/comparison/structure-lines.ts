import type { CatalogueSection } from '../../postgres/catalogue/read-catalogue.js';

/** A name, quoted where SQL needs it. */
export const NAME = String.raw`(?:"(?:[^"]|"")*"|[^\s".:]+)`;
export const TABLE_NAME = String.raw`${NAME}\.${NAME}`;

/** The lines of a structure's fingerprint (postgres/catalogue/read-catalogue.ts), taken apart. */
export const RELATION_LINE = new RegExp(`^(\\w) (${TABLE_NAME})(.*)$`, 's');
export const COLUMN_LINE = new RegExp(`^(${TABLE_NAME}\\.${NAME}) (.*)$`, 's');
export const CONSTRAINT_LINE = new RegExp(`^(${TABLE_NAME}) (${NAME}) (\\w)( not validated)?: (.*)$`, 's');
export const INDEX_LINE = new RegExp(`^(${TABLE_NAME})( invalid)?: (.*)$`, 's');
export const KEY_TRIGGERS_LINE = new RegExp(`^(${TABLE_NAME}) foreign key (${NAME}) ([A-Z]+)$`);
export const EXTENSION_LINE = new RegExp(`^(${NAME}) (\\S+) in (.+)$`);
const TRIGGER_LINE = new RegExp(`^(${TABLE_NAME}) (${NAME}) (\\w): (.*)$`, 's');
const EVENT_TRIGGER_LINE = new RegExp(`^event trigger (${NAME}) (\\w) on (\\w+)$`);
const ROW_SECURITY_LINE = new RegExp(`^(${TABLE_NAME}) row security (.*)$`);
const POLICY_LINE = new RegExp(`^(${TABLE_NAME}) policy (${NAME}) (\\S) (\\w+)(?:: (.*))?$`, 's');

/** How each section's lines name what they are about. */
const SUBJECTS: Readonly<Record<CatalogueSection, RegExp>> = {
  relations: new RegExp(`^\\w (${TABLE_NAME})`),
  columns: new RegExp(`^(${TABLE_NAME}\\.${NAME})`),
  constraints: new RegExp(`^(${TABLE_NAME}) (${NAME})`),
  indexes: new RegExp(`^(${TABLE_NAME})`),
  triggers: new RegExp(`^(?:event trigger|(${TABLE_NAME})(?: foreign key)?) (${NAME})`),
  rowSecurity: new RegExp(`^(${TABLE_NAME})(?: policy (${NAME}))?`),
  extensions: new RegExp(`^(${NAME})`),
};

/** Returns the name by which `--despite` takes what a line is about: `public.ledger.in_ledger`. */
export function subjectOf(section: CatalogueSection, line: string): string {
  const [, ...parts] = SUBJECTS[section].exec(line) ?? [];
  return parts.filter((part) => part !== undefined).join('.') || line;
}

/** What a line says, in words. */
export interface DescribedLine {
  /** `index public.ledger_amount` */
  readonly object: string;
  /** Everything else that the line says of the object: `CREATE INDEX …`. Empty if that is nothing. */
  readonly definition: string;
}

const RELATION_KINDS: Readonly<Record<string, string>> = {
  r: 'table',
  p: 'partitioned table',
  v: 'view',
  m: 'materialized view',
  f: 'foreign table',
  S: 'sequence',
};
/** What `tgenabled` and `evtenabled` mean. */
const TRIGGER_STATES: Readonly<Record<string, string>> = {
  O: 'enabled',
  D: 'disabled',
  R: 'enabled on replicas only',
  A: 'always enabled',
};
const POLICY_COMMANDS: Readonly<Record<string, string>> = {
  r: 'SELECT',
  a: 'INSERT',
  w: 'UPDATE',
  d: 'DELETE',
  '*': 'all commands',
};

/** How the lines of each section are read; the first pattern that matches counts. */
const DESCRIPTIONS: Readonly<
  Record<CatalogueSection, readonly (readonly [RegExp, (...parts: string[]) => DescribedLine])[]>
> = {
  relations: [
    [
      RELATION_LINE,
      (kind = '', name = '', rest = '') => ({
        object: `${RELATION_KINDS[kind] ?? 'relation'} ${name}`,
        definition: rest.replace(/^:? /, ''),
      }),
    ],
  ],
  columns: [[COLUMN_LINE, (name = '', type = '') => ({ object: `column ${name}`, definition: type })]],
  constraints: [
    [
      CONSTRAINT_LINE,
      (table = '', name = '', _kind, _notValidated, definition = '') => ({
        object: `constraint ${name} of ${table}`,
        definition,
      }),
    ],
  ],
  indexes: [
    [
      INDEX_LINE,
      (name = '', invalid, definition = '') => ({
        object: `index ${name}`,
        definition: invalid === undefined ? definition : `invalid, ${definition}`,
      }),
    ],
  ],
  triggers: [
    [
      EVENT_TRIGGER_LINE,
      (name = '', state = '', event = '') => ({
        object: `event trigger ${name}`,
        definition: `on ${event}, ${TRIGGER_STATES[state] ?? state}`,
      }),
    ],
    [
      KEY_TRIGGERS_LINE,
      (table = '', name = '', states = '') => ({
        object: `the triggers of foreign key ${name} of ${table}`,
        definition: [...new Set(states)].map((state) => TRIGGER_STATES[state] ?? state).join(' and '),
      }),
    ],
    [
      TRIGGER_LINE,
      (table = '', name = '', state = '', definition = '') => ({
        object: `trigger ${name} of ${table}`,
        definition: `${TRIGGER_STATES[state] ?? state}, ${definition}`,
      }),
    ],
  ],
  rowSecurity: [
    [
      ROW_SECURITY_LINE,
      (table = '', states = '') => ({ object: `row security of ${table}`, definition: states }),
    ],
    [
      POLICY_LINE,
      (table = '', name = '', command = '', kind = '', expression = '') => ({
        object: `policy ${name} of ${table}`,
        definition: [`${kind} for ${POLICY_COMMANDS[command] ?? command}`, expression]
          .filter(Boolean)
          .join(': '),
      }),
    ],
  ],
  extensions: [
    [
      EXTENSION_LINE,
      (name = '', version = '', schema = '') => ({
        object: `extension ${name}`,
        definition: `version ${version} in schema ${schema}`,
      }),
    ],
  ],
};

/** Says in words what a line is about: `materialized view public.totals`. Pure. */
export function describeLine(section: CatalogueSection, line: string): DescribedLine {
  for (const [pattern, describe] of DESCRIPTIONS[section]) {
    const match = pattern.exec(line);
    if (match) return describe(...match.slice(1));
  }
  return { object: line, definition: '' };
}
