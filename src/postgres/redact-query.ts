/** The longest part of a query that is shown, unless the caller wants more. */
const SHOWN = 80;

/** Comments, quoted names, and every kind of literal; a literal may be cut off, because pg_stat_activity truncates long queries. */
const PARTS =
  /(--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|("(?:""|[^"])*(?:"|$))|[eE]'(?:\\[\s\S]|''|[^'\\])*(?:'|$)|'(?:''|[^'])*(?:'|$)|\$([A-Za-z_]\w*)?\$[\s\S]*?(?:\$\3\$|$)|(?<![\w$])\d[\w.]*/g;

/** Returns the beginning of a query on one line without its literals, which may be personal data or a password. Pure. */
export function redactQuery(query: string, shown = SHOWN): string {
  const redacted = query
    .replaceAll(PARTS, (_part, comment?: string, name?: string) =>
      comment === undefined ? (name ?? '…') : ' ',
    )
    .replaceAll(/\s+/g, ' ')
    .trim();
  return redacted.length > shown ? `${redacted.slice(0, shown)}…` : redacted;
}
