/** One thing that is wrong with one setting, or with a pair of them. */
export interface Fault {
  readonly subject: string;
  readonly problem: string;
}
