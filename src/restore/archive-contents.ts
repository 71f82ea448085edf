import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** What must be there before an archive can be restored. */
export interface ArchiveNeeds {
  /** Roles that own something in it, or are granted something. */
  readonly roles: readonly string[];
  /** The options of its CREATE DATABASE, in PostgreSQL's own words; undefined where the archive has none. */
  readonly databaseOptions: string | undefined;
}

const NAME = String.raw`(?:"(?:[^"]|"")+"|[a-z_\u0080-\uffff][\w$\u0080-\uffff]*)`;
const NAMES = `${NAME}(?:, ${NAME})*`;
/** Where SQL that pg_dump writes names a role. The rest of a statement may stand on another line. */
const ROLE_PLACES = [
  new RegExp(`OWNER TO (${NAME});$`),
  new RegExp(`^(?:GRANT|REVOKE|ALTER DEFAULT PRIVILEGES) .* (?:TO|FROM) (${NAME})(?: WITH GRANT OPTION)?;$`),
  new RegExp(`^ALTER DEFAULT PRIVILEGES FOR ROLE (${NAME}) `),
  new RegExp(`^SET SESSION AUTHORIZATION (${NAME});$`),
  new RegExp(`^CREATE POLICY .* TO (${NAMES})(?: USING | WITH CHECK |;)`),
  new RegExp(`^CREATE USER MAPPING FOR (${NAME}) `),
];
const CREATE_DATABASE = / WITH (TEMPLATE = template0 .*);$/;
/** Of the place it came from: another server has not this tablespace. */
const ELSEWHERE = / (?:TABLESPACE|OID) = (?:"(?:[^"]|"")*"|\S+)/g;

/** Reads the SQL of an archive's structure, line by line: it may be large. */
export async function readNeeds(sql: Readable): Promise<ArchiveNeeds> {
  const roles = new Set<string>();
  let databaseOptions: string | undefined;
  for await (const line of createInterface({ input: sql, crlfDelay: Infinity })) {
    for (const role of rolesOf(line)) roles.add(role);
    databaseOptions ??= CREATE_DATABASE.exec(line)?.[1]?.replaceAll(ELSEWHERE, '');
  }
  return { roles: [...roles].toSorted(), databaseOptions };
}

function rolesOf(line: string): string[] {
  return ROLE_PLACES.flatMap((place) => place.exec(line)?.[1]?.match(new RegExp(NAME, 'g')) ?? []).map(
    unquoted,
  );
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
