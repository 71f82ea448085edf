import { counted } from '../../core/counted.js';
import type { MeasuredLoss } from './rollback.types.js';

/** `1,234 rows of public.children (DROP TABLE)`. Pure. */
export function lossText({ kind, name, what, count }: MeasuredLoss): string {
  const isColumn = kind === 'column' || kind === 'values' || kind === 'conversion';
  const unit = isColumn ? 'value' : 'row';
  const much = count === null ? `${unit}s that were too many to count` : counted(count, unit);
  const text = `${much} of ${name} (${what})`;
  if (what === 'DELETE' || what === 'MERGE' || kind === 'values') return `up to ${text}`;
  return kind === 'conversion' ? `${text}, where they do not fit` : text;
}
