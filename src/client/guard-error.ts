/** An error of the guarded client: a rule was broken, or a verb of `softDelete` could not be performed. */
export class GuardError extends Error {
  override readonly name = 'GuardError';
  /** What to do instead. */
  readonly hint: string | undefined;

  constructor(
    message: string,
    /** `PK004` (a protected row), `PK005` (no reason given), `PK006` (a legal hold): as in the database; or a code of pgkeep. */
    readonly code: string,
    { hint, cause }: { hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.hint = hint;
  }
}
