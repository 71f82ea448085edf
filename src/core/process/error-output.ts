/** How much of a program's error output is kept for the message. */
const KEPT = 4000;
/** A line is cut here: pg_dump repeats its whole query, which would push the error itself out. */
const LONGEST_LINE = 400;

/** The last 4,000 characters of what a program writes to stderr, each line cut where it is long. */
export class ErrorOutput {
  private kept = '';
  /** How many characters the line has so far that is not ended yet. */
  private length = 0;

  add(text: string): void {
    for (const [index, part] of text.split('\n').entries()) {
      if (index > 0) {
        this.kept += '\n';
        this.length = 0;
      }
      const room = Math.max(0, LONGEST_LINE - this.length);
      this.kept += part.length > room && room > 0 ? `${part.slice(0, room)}…` : part.slice(0, room);
      this.length += part.length;
    }
    this.kept = this.kept.slice(-KEPT);
  }

  get tail(): string {
    return this.kept;
  }
}
