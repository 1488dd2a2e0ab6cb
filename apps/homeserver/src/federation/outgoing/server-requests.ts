import { Injectable } from '@nestjs/common';
import { HttpsTransport, type WireRequest, type WireResponse } from './https-transport.js';
import { ServerDiscovery } from './server-discovery.js';
import { unlessAborted } from './unless-aborted.js';

/** Failures before anything was sent: the next target may be tried without doing something twice. */
const NOT_CONNECTED = new Set([
  'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT',
]);

/** Requests to a server by its name, unsigned and without back-off: FederationClient and KeyRing are built on it. */
@Injectable()
export class ServerRequests {
  constructor(
    private readonly discovery: ServerDiscovery,
    private readonly transport: HttpsTransport,
  ) {}

  /** @throws the error of the last target that was tried */
  async send(serverName: string, request: WireRequest): Promise<WireResponse> {
    // Looking for the server is part of the request: its well-known file may be as silent as it.
    const timeout = AbortSignal.timeout(request.timeoutMs);
    const signal = request.signal ? AbortSignal.any([timeout, request.signal]) : timeout;
    const targets = await unlessAborted(signal, this.discovery.targets(serverName));
    for (const [index, target] of targets.entries()) {
      try {
        return await this.transport.request(target, { ...request, signal });
      } catch (error) {
        const code = (error as { code?: unknown } | null)?.code;
        const isLast = index === targets.length - 1;
        if (isLast || typeof code !== 'string' || !NOT_CONNECTED.has(code)) throw error;
      }
    }
    throw new Error(`${serverName} has no address`);
  }
}
