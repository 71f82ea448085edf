import {
  CATALOGUE_SECTIONS,
  type Catalogue,
  type CatalogueSection,
} from '../postgres/catalogue/catalogue.types.js';
import { finding, judged, number } from './judged.js';
import type { Comparison, Finding } from './restore.types.js';
import type { DifferenceContext } from './difference.js';
import { differenceOf, SIMPLE_NAME, TABLE_NAME } from './structure-differences.js';

/** How each section's lines name what they are about. */
const SUBJECTS: Readonly<Record<CatalogueSection, RegExp>> = {
  relations: new RegExp(`^\\w (${TABLE_NAME})`),
  columns: new RegExp(`^(${TABLE_NAME}\\.${SIMPLE_NAME})`),
  constraints: new RegExp(`^(${TABLE_NAME}) (${SIMPLE_NAME})`),
  indexes: new RegExp(`^(${TABLE_NAME})`),
  triggers: new RegExp(`^(?:event trigger|(${TABLE_NAME})(?: foreign key)?) (${SIMPLE_NAME})`),
  rowSecurity: new RegExp(`^(${TABLE_NAME})(?: policy (${SIMPLE_NAME}))?`),
  extensions: new RegExp(`^(${SIMPLE_NAME})`),
};

/** Compares the fingerprint of a restored database with the backup's, section by section. Pure. */
export function compareStructure(found: Catalogue, context: DifferenceContext): Comparison[] {
  return CATALOGUE_SECTIONS.map((section) => {
    const { missing, added, reported } = differenceOf(section, found, context);
    const findingOf = (line: string, details: string): Finding =>
      finding(section, subjectOf(section, line), details);
    return judged(section, `${number(context.expected[section].length)}, as they were`, {
      reported,
      findings: [
        ...missing.map((line) => findingOf(line, `missing: ${line}`)),
        ...added.map((line) => findingOf(line, `not in the backup: ${line}`)),
      ],
    });
  });
}

/** What a line of the fingerprint is about: `public.t.in_ledger`. Pure. */
export function subjectOf(section: CatalogueSection, line: string): string {
  const [, ...parts] = SUBJECTS[section].exec(line) ?? [];
  return parts.filter((part) => part !== undefined).join('.') || line;
}
