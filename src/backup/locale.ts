/** Whose rules a database sorts by, where they are not the operating system's alone. */
export interface LocaleFacts {
  readonly provider: 'libc' | 'icu' | 'builtin';
  /** ICU's or the built-in locale's name; null with libc. */
  readonly name: string | null;
  /** ICU's additional rules. */
  readonly rules: string | null;
}

/** Of a row `d` of pg_database. As JSON, because each major version has other columns for it. */
export const LOCALE = `(
  SELECT pg_catalog.json_build_object(
           'provider', CASE j->>'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
           'name', coalesce(j->>'datlocale', j->>'daticulocale'),
           'rules', j->>'daticurules')
    FROM pg_catalog.to_jsonb(d) j)`;
