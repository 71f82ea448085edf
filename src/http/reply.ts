import type { JobRun } from '../jobs/jobs.types.js';

/** What node:http's response has, on which both frameworks stand. */
interface NodeResponse {
  writeHead(status: number, headers: Readonly<Record<string, string | number>>): unknown;
  end(body: string): unknown;
}

/** What Fastify's reply and Express' response have in common; the routes use nothing else. */
export interface Reply {
  status(code: number): unknown;
  header(name: string, value: string): unknown;
  send(body: string): unknown;
}

/** Fastify's reply keeps node's response behind `raw`; Express' response is one itself. */
export type ProbeReply = Reply & (NodeResponse | { readonly raw: NodeResponse; hijack(): unknown });

/** A JSON body that is sent many times, with its length in bytes. */
export interface PreparedBody {
  readonly text: string;
  readonly bytes: number;
}

export function prepareBody(body: object): PreparedBody {
  const text = JSON.stringify(body);
  return { text, bytes: Buffer.byteLength(text) };
}

/**
 * Answers a probe on node's response itself: 7 % less work a probe than by the framework's own way
 * (`npm run bench`), which serialises, counts and sets headers each time.
 */
export function answerProbe(reply: ProbeReply, status: number, { text, bytes }: PreparedBody): void {
  if ('raw' in reply) reply.hijack();
  const response = 'raw' in reply ? reply.raw : reply;
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    'content-length': bytes,
  });
  response.end(text);
}

/** Returns the body of a 202, the run that has started, and sets the `Location` header to its address. */
export function acceptedRun(reply: Reply, run: JobRun): JobRun {
  reply.header('location', `/admin/jobs/${run.id}`);
  return run;
}
