import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type * as Bindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import { TrapGuard, type WasmNames } from './trap-guard.js';

/** The part of the WebAssembly global used here; the compiler's `lib` holds no browser types. */
declare const WebAssembly: {
  instantiate(
    bytes: Uint8Array,
    imports: Readonly<Record<string, WasmNames>>,
  ): Promise<{ instance: { exports: WasmNames } }>;
};

/** One instance of Prisma's engine: it has one database session, and does everything that Prisma Migrate does. */
export type WasmEngine = Bindings.SchemaEngine;

/** Prisma's schema engine, compiled to WebAssembly and started. */
export interface WasmModule {
  readonly SchemaEngine: typeof Bindings.SchemaEngine;
  readonly guard: TrapGuard;
  readonly version: () => string;
}

let loading: Promise<WasmModule> | undefined;

/** Loads the engine (5 MB, some 20 ms) the first time it is needed, once in each process. */
export async function loadWasmModule(): Promise<WasmModule> {
  loading ??= load();
  return await loading;
}

async function load(): Promise<WasmModule> {
  // The package's own entry imports the .wasm file as a module, which Node does not do.
  const bindings = await import('@prisma/schema-engine-wasm/schema_engine_bg');
  const script = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const bytes = await readFile(script.replace(/\.js$/, '.wasm'));
  const guard = new TrapGuard();
  const { instance } = await WebAssembly.instantiate(bytes, {
    './schema_engine_bg.js': guard.guarded({ ...bindings }),
  });
  guard.memory = instance.exports['memory'];
  // oxlint-disable-next-line no-underscore-dangle -- wasm-bindgen's own name
  bindings.__wbg_set_wasm(instance.exports);
  const start = instance.exports['__wbindgen_start'];
  if (typeof start === 'function') start();
  return { SchemaEngine: bindings.SchemaEngine, version: bindings.version, guard };
}

/** Returns the commit of Prisma's engines that the WebAssembly build was made from. */
export async function engineVersion(): Promise<string> {
  return (await loadWasmModule()).version();
}
