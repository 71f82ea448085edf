/** How much of a query is shown. */
const SHOWN = 80;

/** Comments, quoted names, and every kind of literal; a literal may be cut off, as pg_stat_activity cuts long queries. */
const PARTS =
  /(--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|("(?:""|[^"])*(?:"|$))|[eE]'(?:\\[\s\S]|''|[^'\\])*(?:'|$)|'(?:''|[^'])*(?:'|$)|\$([A-Za-z_]\w*)?\$[\s\S]*?(?:\$\3\$|$)|(?<![\w$])\d[\w.]*/g;

/** The first words of a query, on one line, without its literals: they may be personal data, or a password. Pure. */
export function redactQuery(query: string): string {
  const redacted = query
    .replaceAll(PARTS, (_part, comment?: string, name?: string) =>
      comment === undefined ? (name ?? '…') : ' ',
    )
    .replaceAll(/\s+/g, ' ')
    .trim();
  return redacted.length > SHOWN ? `${redacted.slice(0, SHOWN)}…` : redacted;
}
