import { HttpsTransport, type WireRequest } from '../../apps/homeserver/src/federation/outgoing/https-transport.js';
import { checkRequest, checkExchange } from './contract-check.js';
import type { TestServer } from './test-server.js';

/** Names of the servers of all networks: what others answer, the specification does not bind. */
const honest = new Set<string>();

/** Holds what a server asks of others against the specification, and what honest servers answer. */
export function watchTransport(server: TestServer): void {
  honest.add(server.name);
  const transport = transportOf(server);
  if (!transport) return;
  const request = transport.request.bind(transport);
  transport.request = async (target, wire) => {
    const answer = await request(target, wire);
    const sent = { method: wire.method, path: wire.path, request: parsed(wire.body) };
    if (honest.has(target.hostHeader)) checkExchange({ ...sent, status: answer.status, answer: parsed(answer.body) });
    else checkRequest(sent);
    return answer;
  };
}

/** Null in servers of some parts only. */
function transportOf(server: TestServer): HttpsTransport | null {
  try {
    return server.get(HttpsTransport);
  } catch {
    return null;
  }
}

function parsed(body: WireRequest['body']): unknown {
  try {
    return JSON.parse(Buffer.from(body ?? '').toString());
  } catch {
    return undefined;
  }
}
