import type { PrismaConfiguration } from '../../config/prisma-project.js';

/** What `loadConfigFromFile` of `@prisma/config` gives, as far as it is used: since Prisma 6.12 in this shape. */
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

/** What the evaluating process answers. */
export type Evaluation =
  | { readonly kind: 'configured'; readonly configuration: PrismaConfiguration }
  | { readonly kind: 'failed'; readonly message: string };

/** Stands before the answer on stdout: a configuration may print there as well. */
export const ANSWER_MARK = '\u001epgkeep-prisma-config ';
