/**
 * Returns the URL of a file that pgkeep ships, by its path in the package. Only this file knows where it is itself: two
 * levels below the package, in `src/`, `dist/` and in the service's bundle alike.
 */
export function packageFile(name: string): URL {
  return new URL(`../../${name}`, import.meta.url);
}
