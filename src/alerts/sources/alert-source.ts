import type { CodeText } from '../../readiness/check.js';
import type { AlertFinding } from '../alert.types.js';

/** Something beside the probes that finds what needs a person. */
export interface AlertSource {
  /** For the log. */
  readonly name: string;
  /** What it can find: while it cannot look, its alerts stay as they are. docs/alerts.md is derived from it. */
  readonly codes: Readonly<Record<string, CodeText>>;
  /** Looks now. Throws where it cannot. */
  find(now: Date): Promise<readonly AlertFinding[]>;
}
