/** What Fastify's reply and Express' response have in common, which is all that the doors use. */
export interface Reply {
  status(code: number): unknown;
  header(name: string, value: string): unknown;
  send(body: string): unknown;
}

/** What Fastify's and Express' requests have in common. */
export interface Request {
  readonly ip?: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}
