// A constant answer by node:http alone, with pgkeep's body and headers: the upper bound for a Node.js server.
import { createServer } from 'node:http';

const { PORT, HOST, BODY = '' } = process.env;
const headers = {
  'cache-control': 'no-store',
  'content-type': 'application/json; charset=utf-8',
  'content-length': Buffer.byteLength(BODY),
};

createServer((_request, response) => {
  response.writeHead(200, headers);
  response.end(BODY);
}).listen(Number(PORT), HOST);
