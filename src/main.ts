import { start } from './service/start.js';

await start();
