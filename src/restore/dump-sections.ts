const SECTION = /^-- (?:Data for )?Name: |^-- PostgreSQL database dump complete/;
/** Rows follow, up to the closing line: nothing in them is a comment. The table's name may have lines of its own. */
const ROWS_FOLLOW = / FROM stdin;$/;
/** What pg_dump sets between two sections; other settings may be lines of a function's body. */
const SETTING_BEHIND = /^SET default_(?:tablespace|table_access_method|with_oids) = /;
const END_OF_ROWS = '\n\\.\n';
const NEWLINE = 0x0a;

/**
 * A plain dump without some of its entries.
 * @param isLeftOut asked about the comment above each entry
 * @param onFound called once, where one is left out
 * @param onSection told the comment above each entry that is kept, and the number of its line in what is passed on
 */
export async function* withoutSections(
  dump: AsyncIterable<Buffer>,
  isLeftOut: (comment: string) => boolean,
  onFound: () => void,
  onSection: (comment: string, line: number) => void = () => undefined,
): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0);
  let inRows = false;
  let isOut = false;
  let wasFound = false;
  let lines = 1;
  const passed = (piece: Buffer): Buffer => {
    for (let at = piece.indexOf(NEWLINE); at !== -1; at = piece.indexOf(NEWLINE, at + 1)) lines += 1;
    return piece;
  };
  for await (const chunk of dump) {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      if (inRows) {
        const end = rest.indexOf(END_OF_ROWS);
        // The closing line may be cut by the chunk.
        const known = end === -1 ? rest.length - END_OF_ROWS.length : end + END_OF_ROWS.length;
        if (known > 0) {
          if (!isOut) yield passed(rest.subarray(0, known));
          rest = rest.subarray(known);
        }
        if (end === -1) break;
        inRows = false;
      }
      const end = rest.indexOf(NEWLINE);
      if (end === -1) break;
      const line = rest.toString('latin1', 0, end);
      if (SECTION.test(line)) {
        const comment = rest.toString('utf8', 0, end);
        isOut = isLeftOut(comment);
        if (isOut && !wasFound) onFound();
        wasFound ||= isOut;
        if (!isOut) onSection(comment, lines);
      }
      inRows = ROWS_FOLLOW.test(line);
      // The newline stays in front of the rows, where there may be none. Settings are those of the section behind.
      const taken = inRows ? end : end + 1;
      if (!isOut || SETTING_BEHIND.test(line)) yield passed(rest.subarray(0, taken));
      rest = rest.subarray(taken);
    }
  }
  if (!isOut) yield rest;
}
