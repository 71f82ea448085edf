import { Connection } from './connection.mjs';

/** No answer for this long after the last request was due: the server hangs. */
const PATIENCE_MS = 30_000;

/**
 * @typedef {object} Load requests and answers of a server
 * @property {number} requestsPerSecond
 * @property {number[]} latencies ms, one for each answer
 * @property {Map<number, number>} statuses number of answers by status
 */

/**
 * Sends requests without a pause over several connections: how many can the server answer?
 *
 * @param {string} address
 * @param {{connections: number, durationMs: number}} options
 * @returns {Promise<Load>}
 */
export async function saturate(address, options) {
  return await withConnections(address, options, (all, finish) => {
    const log = new AnswerLog();
    const startedAt = performance.now();
    let running = all.length;
    const askAgain = (/** @type {Connection} */ connection) => {
      const askedAt = performance.now();
      connection.ask((status) => {
        const now = performance.now();
        log.add(status, now - askedAt);
        if (now - startedAt < options.durationMs) askAgain(connection);
        else if (--running === 0) finish(log.result(now - startedAt));
      });
    };
    all.forEach(askAgain);
  });
}

/**
 * Sends requests at a steady rate, whether or not earlier answers have arrived (an open loop). A latency counts from
 * the moment when the request was due, so that a stalled server is not measured by the few requests that it answered
 * ("coordinated omission"). The client's own timer, 1 ms coarse, is part of it.
 *
 * Not autocannon: its `overallRate` sends each second's share in one go at the second's beginning.
 *
 * @param {string} address
 * @param {{rate: number, durationMs: number, connections: number}} options rate: requests a second
 * @returns {Promise<Load>}
 */
export async function pace(address, options) {
  const { rate, durationMs } = options;
  return await withConnections(address, options, (idle, finish) => {
    const log = new AnswerLog();
    const total = Math.round((rate * durationMs) / 1000);
    const startedAt = performance.now();
    /** @type {number[]} when the requests that wait for a connection were due */
    const due = [];
    let planned = 0;
    const send = () => {
      while (due.length > 0) {
        const connection = idle.shift();
        if (!connection) return;
        const dueAt = due.shift() ?? 0;
        connection.ask((status) => {
          const now = performance.now();
          log.add(status, now - dueAt);
          idle.push(connection);
          if (log.length === total) finish(log.result(now - startedAt));
          else send();
        });
      }
    };
    const tick = () => {
      const reached = Math.min(total, Math.floor(((performance.now() - startedAt) * rate) / 1000) + 1);
      for (; planned < reached; planned += 1) due.push(startedAt + (planned * 1000) / rate);
      send();
      if (planned < total) setTimeout(tick, 1);
    };
    tick();
  });
}

/**
 * @param {string} address
 * @param {{connections: number, durationMs: number}} options
 * @param {(connections: Connection[], finish: (load: Load) => void) => void} work starts the requests
 * @returns {Promise<Load>}
 */
async function withConnections(address, { connections, durationMs }, work) {
  /** @type {((error: Error) => void) | undefined} */
  let fail;
  const opening = Array.from({ length: connections }, () =>
    Connection.open(address, (error) => fail?.(error)),
  );
  const all = await Promise.all(opening);
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  try {
    return await new Promise((resolve, reject) => {
      fail = reject;
      timer = setTimeout(() => reject(new Error(`${address} does not answer`)), durationMs + PATIENCE_MS);
      work([...all], resolve);
    });
  } finally {
    clearTimeout(timer);
    for (const connection of all) connection.close();
  }
}

class AnswerLog {
  /** @type {number[]} */
  #latencies = [];
  /** @type {Map<number, number>} */
  #statuses = new Map();

  get length() {
    return this.#latencies.length;
  }

  /**
   * @param {number} status
   * @param {number} latencyMs
   */
  add(status, latencyMs) {
    this.#latencies.push(latencyMs);
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
  }

  /**
   * @param {number} elapsedMs
   * @returns {Load}
   */
  result(elapsedMs) {
    return {
      requestsPerSecond: (this.#latencies.length / elapsedMs) * 1000,
      latencies: this.#latencies,
      statuses: this.#statuses,
    };
  }
}

/**
 * Throws unless every answer was 200: a measurement of refusals would be worthless.
 *
 * @param {Load} load
 * @param {string} name
 */
export function requireAllOk({ statuses }, name) {
  const others = [...statuses].filter(([status]) => status !== 200);
  if (others.length === 0) return;
  const counts = others.map(([status, count]) => `${count} times ${status}`).join(', ');
  throw new Error(`${name} did not answer 200 every time, but ${counts}`);
}
