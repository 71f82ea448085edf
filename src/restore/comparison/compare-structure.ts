import { formatCount } from '../../core/text.js';
import {
  type Catalogue,
  CATALOGUE_SECTIONS,
  type CatalogueSection,
} from '../../postgres/catalogue/read-catalogue.js';
import { type Comparison, finding, type Finding, judged } from './comparison.js';
import { type Difference, type DifferenceContext, differenceOf } from './structure-differences.js';
import { describeLine, subjectOf } from './structure-lines.js';

/** Compares the fingerprint of a restored database with the backup's, section by section. Pure. */
export function compareStructure(found: Catalogue, context: DifferenceContext): Comparison[] {
  return CATALOGUE_SECTIONS.map((section) => {
    const { reported, ...lines } = differenceOf(section, found, context);
    const { length } = context.expected[section];
    const unchanged = length === 0 ? 'none' : `${formatCount(length)}, unchanged`;
    return judged(section, unchanged, { reported, findings: findingsOf(section, lines) });
  });
}

/** One finding per object: it is missing, it was added, or its definition changed. */
function findingsOf(
  section: CatalogueSection,
  { missing, added }: Pick<Difference, 'missing' | 'added'>,
): Finding[] {
  const restored = new Map(added.map((line) => [describeLine(section, line).object, line]));
  const findings = missing.map((line) => {
    const { object, definition } = describeLine(section, line);
    const other = restored.get(object);
    restored.delete(object);
    const details =
      other === undefined
        ? [`${object} is missing`, definition].filter(Boolean).join(': ')
        : `${object} differs: restored as "${describeLine(section, other).definition}", expected "${definition}"`;
    return finding(section, subjectOf(section, line), details);
  });
  const extra = [...restored].map(([object, line]) => {
    const { definition } = describeLine(section, line);
    const details = [`${object} is not in the backup`, definition].filter(Boolean).join(': ');
    return finding(section, subjectOf(section, line), details);
  });
  return [...findings, ...extra];
}
