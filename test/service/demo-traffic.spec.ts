import { expect, it } from '@jest/globals';
import { demoLoad } from '../../src/service/demo-traffic.js';

it('loads the demo with a few connections and statements, in waves', () => {
  const day = Array.from({ length: 24 * 60 }, (_minute, index) => demoLoad(index * 60_000));
  const clients = day.map((load) => load.clients);
  const statements = day.map((load) => load.statements);
  expect([Math.min(...clients), Math.max(...clients)]).toEqual([1, 5]);
  expect([Math.min(...statements), Math.max(...statements)]).toEqual([2, 20]);
});
