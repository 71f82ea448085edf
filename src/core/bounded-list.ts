/** More names than this make no sentence any more. */
const SHOWN = 8;

/** `a, b, c`; of many names the first ones and how many more there are: `a, b and 412 more`. */
export function boundedList(names: readonly string[], shown: number = SHOWN): string {
  const rest = names.length - shown;
  const text = names.slice(0, shown).join(', ');
  return rest > 0 ? `${text} and ${rest.toLocaleString('en-US')} more` : text;
}
