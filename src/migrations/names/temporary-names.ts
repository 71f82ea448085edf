import { parseFiles, tablesIn } from '../lint/parse-files.js';
import { isTemporary } from './temporary.js';

/** Names, in lower case, that a script gives to nothing but temporary relations. A script that cannot be read has none. */
export async function temporaryNames(sql: string): Promise<ReadonlySet<string>> {
  const [parsed] = await parseFiles([{ path: 'migration.sql', content: sql }]);
  const temporary = new Set<string>();
  const permanent = new Set<string>();
  for (const { node } of parsed?.flat ?? []) {
    for (const { name, schema } of tablesIn(node)) {
      (isTemporary(schema) ? temporary : permanent).add(name.toLowerCase());
    }
  }
  return new Set([...temporary].filter((name) => !permanent.has(name)));
}
