import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Manifest } from '../../backup/backup.types.js';
import { GUARD_LEFT_OUT, isGuardEntry } from '../../guard/ddl/ddl-guard-in-dumps.js';

/** One entry of an archive's table of contents, as a list of pg_restore and the comments of a plain dump both have it. */
export interface ArchiveEntry {
  /** `TABLE DATA`, `INDEX`, `FK CONSTRAINT` … */
  readonly type: string;
  /** `-` where it is in none. */
  readonly schema: string;
  /** A constraint's and a trigger's begin with the table's name. */
  readonly tag: string;
}

/** Longest first: `TABLE` is the beginning of others. */
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
/** `3335; 0 16404 TABLE DATA public place postgres`: the owner comes last, and an ACL's columns have none. */
const LIST_LINE = new RegExp(`^(\\d+); \\d+ \\d+ (${TYPES}) (\\S+) (.*?)(?: \\S*)?$`);
/** The comment above each entry of a plain dump. */
const SECTION = /^-- (?:Data for )?Name: (.*); Type: ([A-Z ]+); Schema: (.*?); Owner: /;

/** Undefined for a line that is no entry: a comment, or one of a type that no version of PostgreSQL had yet. */
export function entryOfListLine(line: string): ArchiveEntry | undefined {
  const [, , type, schema, tag] = LIST_LINE.exec(line) ?? [];
  return type === undefined || schema === undefined || tag === undefined ? undefined : { type, schema, tag };
}

/** Undefined for a line that does not begin an entry of a plain dump. */
export function entryOfSection(line: string): ArchiveEntry | undefined {
  const [, tag, type, schema] = SECTION.exec(line) ?? [];
  return type === undefined || schema === undefined || tag === undefined ? undefined : { type, schema, tag };
}

/** `table-data:public.place`: how a person names an entry. */
export function entryName({ type, schema, tag }: ArchiveEntry): string {
  const name = schema === '-' ? tag : `${schema}.${tag}`;
  return `${type.toLowerCase().replaceAll(' ', '-')}:${name}`;
}

/**
 * What no restore can run: pg_dump switches a partition's own foreign key triggers off by the name that they had,
 * and those names are made anew; a subscription would follow the publisher a second time.
 */
export function isUnrestorable({ type, tag }: ArchiveEntry): boolean {
  return (
    (type === 'TRIGGER' && /(?:^| )RI_ConstraintTrigger_[ac]_\d+$/.test(tag)) || isSubscription({ type, tag })
  );
}

export function isSubscription({ type, tag }: Pick<ArchiveEntry, 'type' | 'tag'>): boolean {
  return type.startsWith('SUBSCRIPTION') || (type !== 'TABLE' && tag.startsWith('SUBSCRIPTION '));
}

/** Chooses entries that a restore leaves out. */
export type EntryChoice = (entry: ArchiveEntry) => boolean;

/** The table of contents of an archive in PostgreSQL's own format, as `pg_restore --list` prints it. */
export class ArchiveList {
  /** Whether it holds pgkeep's DDL guard, which is left out. */
  readonly hasGuard: boolean;

  constructor(private readonly lines: readonly string[]) {
    this.hasGuard = lines.some((line) => isGuardEntry(line));
  }

  get entries(): readonly ArchiveEntry[] {
    return this.lines.flatMap((line) => (isGuardEntry(line) ? [] : (entryOfListLine(line) ?? [])));
  }

  /** The names of the entries by the numbers that pg_restore's errors have. */
  get names(): ReadonlyMap<number, string> {
    return new Map(
      this.lines.flatMap((line) => {
        const entry = entryOfListLine(line);
        return entry ? [[Number.parseInt(line, 10), entryName(entry)] as const] : [];
      }),
    );
  }

  /** Runs `work` with the options by which pg_restore takes what is left; none where that is all. */
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

/** What is in an archive and in no restore of it, for the notes of a restore and of the evidence. */
export function leftOut(manifest: Manifest | null, { hasGuard }: { readonly hasGuard: boolean }): string[] {
  const subscriptions = manifest?.subscriptions ?? [];
  const [what, which] =
    subscriptions.length === 1 ? ['the subscription', 'was'] : ['the subscriptions', 'were'];
  return [
    ...(hasGuard ? [GUARD_LEFT_OUT] : []),
    ...(subscriptions.length === 0
      ? []
      : [
          `${what} ${subscriptions.join(', ')} ${which} left out, as of every restore: a second database must not follow the same publisher by itself; the command is in the archive (CREATE SUBSCRIPTION in \`pg_restore --schema-only --file=- ARCHIVE\`)`,
        ]),
  ];
}
