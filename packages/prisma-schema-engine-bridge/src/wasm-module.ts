import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type * as Bindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import { messageOf, SchemaEngineError } from './errors.js';

/** The part of the WebAssembly global used here; the compiler's `lib` holds no browser types. */
declare const WebAssembly: {
  readonly Memory: new (descriptor: { initial: number }) => { readonly buffer: ArrayBuffer };
  instantiate(
    bytes: Uint8Array,
    imports: Readonly<Record<string, WasmNames>>,
  ): Promise<{ instance: { exports: WasmNames } }>;
};

/** The functions and values that a WebAssembly module imports from JavaScript, or exports to it, by name. */
type WasmNames = Readonly<Record<string, unknown>>;

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

/**
 * Catches what the engine throws while it runs as a callback of the event loop. Such callbacks are not awaited, so a
 * trap (a Rust panic, a stack overflow) would end the process, and the call that caused it would never settle.
 */
class TrapGuard {
  /** The engine's memory, from its exports: it holds the text of a panic. */
  memory: unknown;
  private readonly running = new Set<(reason: SchemaEngineError) => void>();
  private panic: string | undefined;
  private trap: SchemaEngineError | undefined;

  /** Returns the engine's imports, with those replaced that pass a callback to the event loop. */
  guarded(imports: WasmNames): WasmNames {
    const entries = Object.entries(imports);
    return Object.fromEntries(entries.map(([name, value]) => [name, this.replacement(name, value)]));
  }

  /**
   * Runs one call into the engine.
   * @throws SchemaEngineError when the engine traps, or trapped before: it cannot be used again. Otherwise what the
   *   call rejects with.
   */
  async watch<T>(call: () => Promise<T>): Promise<T> {
    if (this.trap) throw this.trap;
    return await new Promise<T>((resolve, reject) => {
      this.running.add(reject);
      void this.started(call)
        .then(resolve, reject)
        .finally(() => this.running.delete(reject));
    });
  }

  private async started<T>(call: () => Promise<T>): Promise<T> {
    let result: Promise<T>;
    try {
      result = call();
    } catch (thrown) {
      // The engine's methods reject when they fail; one that throws synchronously has trapped.
      throw this.trapped(thrown);
    }
    return await result;
  }

  private trapped(thrown: unknown): SchemaEngineError {
    this.trap ??= new SchemaEngineError(
      `Prisma's schema engine (WebAssembly) stopped unexpectedly: ${this.panic ?? messageOf(thrown)}`,
      { cause: thrown },
    );
    for (const reject of this.running) reject(this.trap);
    return this.trap;
  }

  private replacement(name: string, value: unknown): unknown {
    if (typeof value !== 'function') return value;
    // wasm-bindgen's names end in a hash of the signature, which changes with every release.
    if (/^__wbg_(?:queueMicrotask|then)_/.test(name)) {
      return (...values: unknown[]): unknown => {
        const guarded = values.map((argument) => this.caught(argument));
        return Reflect.apply(value, undefined, guarded);
      };
    }
    if (name.startsWith('__wbg_setTimeout_')) {
      // The engine's time limit for the advisory lock runs for 10 s even once it has the lock; it must not keep the
      // process alive.
      return (callback: unknown, delay: unknown) =>
        setTimeout(() => this.call(callback), Number(delay)).unref();
    }
    if (name.startsWith('__wbg_set_message_')) {
      return (pointer: unknown, length: unknown) => {
        this.panic = this.text(Number(pointer), Number(length));
      };
    }
    return value;
  }

  private caught(argument: unknown): unknown {
    if (typeof argument !== 'function') return argument;
    return (...values: unknown[]): unknown => this.call(argument, values);
  }

  private call(callback: unknown, values: readonly unknown[] = []): unknown {
    try {
      return typeof callback === 'function' ? Reflect.apply(callback, undefined, values) : undefined;
    } catch (thrown) {
      this.trapped(thrown);
      return undefined;
    }
  }

  private text(pointer: number, length: number): string | undefined {
    if (!(this.memory instanceof WebAssembly.Memory)) return undefined;
    return new TextDecoder().decode(new Uint8Array(this.memory.buffer, pointer, length));
  }
}
