import { runningFunction } from '../../postgres/catalogue/unqualified-names.js';

/** An entry of an archive that could not be restored. */
export interface RestoreFault {
  /** `table-data:public.place`; undefined if it is not known. */
  readonly entry: string | undefined;
  /** PostgreSQL's message. */
  readonly message: string;
  /** The first line of the statement; undefined if it is not known. */
  readonly statement: string | undefined;
  /** The function that was running, as PostgreSQL names it. */
  readonly running: string | undefined;
}

/** How many faults are kept: more would not help the reader. */
const MOST = 1000;
/** Lines of `pg_restore --verbose`: the current entry, and what failed there. */
const PLACE = /^pg_restore: from TOC entry (\d+); /;
const PG_RESTORE_ERROR = /^pg_restore: error: (.*)$/;
const COMMAND = /^Command was: (.*)$/;
/** The beginning of psql's error lines, and the statement in them. */
const PSQL_LINE = /^psql:<stdin>:(\d+): (.*)$/;
const STATEMENT = /^STATEMENT: {2}(.*)$/;
/** The server's severity, which may be in any language, and the two blanks after it. */
const SEVERITY = /^.*?\S: {2}/;

/** Parses faults from a program's stderr, piece by piece. */
export class FaultReader {
  readonly faults: RestoreFault[] = [];
  private rest = '';
  private entry: string | undefined;
  private isOpen = false;

  /**
   * @param entryAt returns the name of an entry: for pg_restore by its number in the table of contents, for psql by line
   */
  constructor(private readonly entryAt: (number: number) => string | undefined) {}

  add(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) this.readLine(line);
  }

  private readLine(line: string): void {
    const place = PLACE.exec(line)?.[1];
    if (place !== undefined) this.entry = this.entryAt(Number(place));
    const ofRestore = PG_RESTORE_ERROR.exec(line)?.[1];
    const [, number, ofPsql = ''] = PSQL_LINE.exec(line) ?? [];
    const statement = COMMAND.exec(line)?.[1] ?? STATEMENT.exec(ofPsql)?.[1];
    if (statement !== undefined) this.complete({ statement });
    else if (ofRestore !== undefined) this.begin(this.entry, ofRestore);
    else if (number !== undefined) this.begin(this.entryAt(Number(number)), ofPsql);
    else if (line.startsWith('pg_restore: ')) this.isOpen = false;
    else this.complete({ running: runningFunction(line) });
  }

  private begin(entry: string | undefined, said: string): void {
    this.isOpen = this.faults.length < MOST;
    if (!this.isOpen) return;
    const message = said.replace(SEVERITY, '');
    this.faults.push({ entry, message, statement: undefined, running: undefined });
  }

  /** Adds to the last fault. The first value counts: it is of the innermost function. */
  private complete({ statement, running }: Partial<Pick<RestoreFault, 'statement' | 'running'>>): void {
    const fault = this.isOpen ? this.faults.pop() : undefined;
    if (!fault) return;
    this.faults.push({
      ...fault,
      statement: fault.statement ?? statement,
      running: fault.running ?? running,
    });
  }
}

/** Returns a fault in one line, with the statement at its end. */
export function describeFault({ message, statement, running }: RestoreFault): string {
  return [
    message,
    running === undefined ? '' : ` (in function ${running})`,
    statement === undefined ? '' : `, at: ${statement}`,
  ].join('');
}
