import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Manifest } from '../../backup/backup.types.js';
import { GUARD_LEFT_OUT, isGuardEntry } from '../../guard/ddl/ddl-guard-sql.js';

/** One entry of a dump's table of contents, which `pg_restore --list` and the comments of a plain dump contain. */
export interface ArchiveEntry {
  /** `TABLE DATA`, `INDEX`, `FK CONSTRAINT` … */
  readonly type: string;
  /** `-` if it is in no schema. */
  readonly schema: string;
  /** The object's name; of a constraint or trigger, the table's name comes first. */
  readonly tag: string;
}

/** The longer names come first: `TABLE` is the beginning of others. */
const TYPES = [
  'ACCESS METHOD',
  'ACL',
  'AGGREGATE',
  'BLOB METADATA',
  'BLOBS',
  'BLOB',
  'CAST',
  'CHECK CONSTRAINT',
  'COLLATION',
  'COMMENT',
  'CONSTRAINT',
  'CONVERSION',
  'DATABASE PROPERTIES',
  'DATABASE',
  'DEFAULT ACL',
  'DEFAULT',
  'DOMAIN',
  'EVENT TRIGGER',
  'EXTENSION',
  'FK CONSTRAINT',
  'FOREIGN DATA WRAPPER',
  'FOREIGN TABLE',
  'FUNCTION',
  'INDEX ATTACH',
  'INDEX',
  'MATERIALIZED VIEW DATA',
  'MATERIALIZED VIEW',
  'OPERATOR CLASS',
  'OPERATOR FAMILY',
  'OPERATOR',
  'POLICY',
  'PROCEDURAL LANGUAGE',
  'PROCEDURE',
  'PUBLICATION TABLES IN SCHEMA',
  'PUBLICATION TABLE',
  'PUBLICATION',
  'ROW SECURITY',
  'RULE',
  'SCHEMA',
  'SECURITY LABEL',
  'SEQUENCE OWNED BY',
  'SEQUENCE SET',
  'SEQUENCE',
  'SERVER',
  'SHELL TYPE',
  'STATISTICS DATA',
  'STATISTICS',
  'SUBSCRIPTION TABLE',
  'SUBSCRIPTION',
  'TABLE ATTACH',
  'TABLE DATA',
  'TABLE',
  'TEXT SEARCH CONFIGURATION',
  'TEXT SEARCH DICTIONARY',
  'TEXT SEARCH PARSER',
  'TEXT SEARCH TEMPLATE',
  'TRANSFORM',
  'TRIGGER',
  'TYPE',
  'USER MAPPING',
  'VIEW',
].join('|');

/** `3335; 0 16404 TABLE DATA public place postgres`: the owner comes last and is missing for the ACL of a column. */
const LIST_LINE = new RegExp(`^(\\d+); \\d+ \\d+ (${TYPES}) (\\S+) (.*?)(?: \\S*)?$`);

/** The comment above each entry of a plain dump. */
const SECTION = /^-- (?:Data for )?Name: (.*); Type: ([A-Z ]+); Schema: (.*?); Owner: /;

/** Selects entries that a restore leaves out. */
export type EntryChoice = (entry: ArchiveEntry) => boolean;

/** Parses a line of `pg_restore --list`. @returns undefined for a comment or an entry of an unknown type. */
function entryOfListLine(line: string): ArchiveEntry | undefined {
  const [, , type, schema, tag] = LIST_LINE.exec(line) ?? [];
  return type === undefined || schema === undefined || tag === undefined ? undefined : { type, schema, tag };
}

/** Parses a line of a plain dump. @returns undefined if it does not begin an entry. */
export function entryOfSection(line: string): ArchiveEntry | undefined {
  const [, tag, type, schema] = SECTION.exec(line) ?? [];
  return type === undefined || schema === undefined || tag === undefined ? undefined : { type, schema, tag };
}

/** Returns the name that `--despite` and reports use for an entry: `table-data:public.place`. */
export function entryName({ type, schema, tag }: ArchiveEntry): string {
  const name = schema === '-' ? tag : `${schema}.${tag}`;
  return `${type.toLowerCase().replaceAll(' ', '-')}:${name}`;
}

/**
 * Returns whether no restore should run this entry: pg_dump disables the foreign key triggers of a partition by their
 * old names, which the restored database does not have; a subscription would replicate from its publisher a second
 * time.
 */
export function isUnrestorable({ type, tag }: ArchiveEntry): boolean {
  return (
    (type === 'TRIGGER' && /(?:^| )RI_ConstraintTrigger_[ac]_\d+$/.test(tag)) || isSubscription({ type, tag })
  );
}

function isSubscription({ type, tag }: Pick<ArchiveEntry, 'type' | 'tag'>): boolean {
  return type.startsWith('SUBSCRIPTION') || (type !== 'TABLE' && tag.startsWith('SUBSCRIPTION '));
}

/** The table of contents that `pg_restore --list` prints. */
export class ArchiveList {
  /** Whether the archive contains pgkeep's DDL guard, which is left out. */
  readonly hasGuard: boolean;

  constructor(private readonly lines: readonly string[]) {
    this.hasGuard = lines.some((line) => isGuardEntry(line));
  }

  get entries(): readonly ArchiveEntry[] {
    return this.lines.flatMap((line) => (isGuardEntry(line) ? [] : (entryOfListLine(line) ?? [])));
  }

  /** The names of the entries by the numbers that pg_restore's error messages use. */
  get names(): ReadonlyMap<number, string> {
    return new Map(
      this.lines.flatMap((line) => {
        const entry = entryOfListLine(line);
        return entry ? [[Number.parseInt(line, 10), entryName(entry)] as const] : [];
      }),
    );
  }

  /** Runs `work` with the options that make pg_restore leave entries out: none if everything is restored. */
  async without<T>(isLeftOut: EntryChoice, work: (options: readonly string[]) => Promise<T>): Promise<T> {
    const kept = this.lines.filter((line) => {
      const entry = entryOfListLine(line);
      return !isGuardEntry(line) && !(entry && (isUnrestorable(entry) || isLeftOut(entry)));
    });
    if (kept.length === this.lines.length) return await work([]);
    const directory = await mkdtemp(path.join(tmpdir(), 'pgkeep-list-'));
    try {
      const list = path.join(directory, 'list');
      await writeFile(list, kept.join('\n'));
      return await work([`--use-list=${list}`]);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
}

/** Returns what the archive contains and every restore leaves out, for the notes of a restore and of the evidence. */
export function leftOut(manifest: Manifest | null, { hasGuard }: { readonly hasGuard: boolean }): string[] {
  const subscriptions = manifest?.subscriptions ?? [];
  const [what, was] =
    subscriptions.length === 1 ? ['the subscription', 'was'] : ['the subscriptions', 'were'];
  return [
    ...(hasGuard ? [GUARD_LEFT_OUT] : []),
    ...(subscriptions.length === 0
      ? []
      : [
          `${what} ${subscriptions.join(', ')} ${was} left out, as in every restore: a second database must not replicate from the same publisher. The archive contains CREATE SUBSCRIPTION: \`pg_restore --schema-only --file=- ARCHIVE\``,
        ]),
  ];
}
