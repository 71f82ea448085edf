import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Node's server, when it closes, waits for every connection that is not idle at that moment: for a client that
 * never finishes its request, and for the keep-alive time of one that was just answered.
 * @returns what to call on closing: hangs up on whoever has no request under way, on the others once answered.
 */
export function hangUpOnClose(server: Server): () => void {
  const open = new Set<Socket>();
  const answering = new Set<Socket>();
  let closing = false;
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.on('request', ({ socket }, response) => {
    answering.add(socket);
    response.once('close', () => {
      answering.delete(socket);
      if (closing) socket.end();
    });
  });
  return () => {
    closing = true;
    for (const socket of open) if (!answering.has(socket)) socket.destroy();
  };
}
