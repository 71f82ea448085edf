/** More names than this make no sentence. */
const SHOWN = 5;

/** Names for a sentence: the first five, and how many there are besides. */
export function listed(names: readonly string[]): string {
  const rest = names.length - SHOWN;
  return `${names.slice(0, SHOWN).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
