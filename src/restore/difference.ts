import type { Catalogue } from '../postgres/catalogue/catalogue.types.js';
import type { Inheritance } from './inheritance.js';

/** Where one section of two fingerprints differs, and what of it no restore can avoid. */
export interface Difference {
  /** Lines of the backup that the restored database does not have. */
  readonly missing: readonly string[];
  /** Lines of the restored database that the backup does not have. */
  readonly added: readonly string[];
  /** Differences that are explained: what pg_dump and pg_restore do not keep. */
  readonly reported: readonly string[];
}

/** What the rules know besides the lines. */
export interface DifferenceContext {
  readonly inheritance: Inheritance;
  /** The backup's fingerprint. */
  readonly expected: Catalogue;
  /** Extensions that were left out on purpose, and why. */
  readonly leftOut: ReadonlyMap<string, string>;
}

/** Two lines that are the same but for something that a restore changes. */
export interface Pairing {
  /** What both lines have in common; undefined for lines that the rule is not about. */
  readonly ofMissing: (line: string) => string | undefined;
  readonly ofAdded: (line: string) => string | undefined;
  readonly say: (missing: string, added: string) => string;
}

/** Takes away what it explains. */
export type Rule = (difference: Difference, context: DifferenceContext) => Difference;

/** A rule that takes lines away in pairs: as many as there are on both sides, and no more. */
export function pairing(of: (context: DifferenceContext) => Pairing): Rule {
  return ({ missing, added, reported }, context) => {
    const { ofMissing, ofAdded, say } = of(context);
    const free = [...added];
    const said: string[] = [];
    const left = missing.filter((line) => {
      const common = ofMissing(line);
      const index = common === undefined ? -1 : free.findIndex((other) => ofAdded(other) === common);
      const [partner] = index < 0 ? [] : free.splice(index, 1);
      if (partner === undefined) return true;
      said.push(say(line, partner));
      return false;
    });
    return { missing: left, added: free, reported: [...reported, ...said] };
  };
}
