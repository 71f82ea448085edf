import { enableCompileCache, flushCompileCache } from './core/compile-cache.js';
import { leaveOnEarlySignals } from './core/process/early-signals.js';

leaveOnEarlySignals();
enableCompileCache();
// Loaded only now: static imports would all be evaluated first.
const { start } = await import('./service/start.js');
await start();
flushCompileCache();
