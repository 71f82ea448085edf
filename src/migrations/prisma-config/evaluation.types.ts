import type { PrismaConfiguration } from '../../config/prisma-project.js';

/** The used part of what `loadConfigFromFile` of `@prisma/config` returns, since Prisma 6.12. */
export interface LoadedConfig {
  readonly resolvedPath: string | null;
  readonly config?: {
    readonly schema?: string;
    readonly datasource?: {
      readonly url?: string;
      readonly directUrl?: string;
      readonly shadowDatabaseUrl?: string;
    };
    readonly migrations?: { readonly path?: string; readonly initShadowDb?: string };
    readonly tables?: { readonly external?: readonly string[] };
    readonly enums?: { readonly external?: readonly string[] };
  };
  readonly error?: { readonly error?: unknown };
}

/** The answer of the evaluating process. */
export type Evaluation =
  | { readonly kind: 'configured'; readonly configuration: PrismaConfiguration }
  | { readonly kind: 'failed'; readonly message: string };

/** Precedes the answer on stdout, where a configuration may also print. */
export const ANSWER_MARK = '\u001epgkeep-prisma-config ';
