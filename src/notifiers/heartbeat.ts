import type { HttpReceiver } from '../config/alert-receivers.js';
import { send } from './http-request.js';

/** Requests the heartbeat's address once. @throws DeliveryError. */
export async function beat(receiver: HttpReceiver, signal: AbortSignal): Promise<void> {
  await send({ name: 'heartbeat', receiver, method: 'GET', signal });
}
