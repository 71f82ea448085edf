import { leaveOnEarlySignals } from './core/process/early-signals.js';

leaveOnEarlySignals();
// Loaded only now: static imports would all be evaluated first.
const { start } = await import('./service/start.js');
await start();
