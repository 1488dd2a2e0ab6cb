import { loginProofText } from '#e2e';
import type { HomeTransport } from './home-transport.js';

export interface LoginProofParts {
  transport: HomeTransport;
  userId: string;
  serverName: string;
  /** Signs with the account key: unpadded base64. */
  sign(text: string): string | Promise<string>;
  timeoutMs: number;
}

/** The account key's signature of a home's nonce (protocol §5); undefined where it gives none. @throws HomeSilent, and what `sign` throws */
export async function loginProof({ transport, userId, serverName, sign, timeoutMs }: LoginProofParts): Promise<{ nonce: string; signature: string } | undefined> {
  const path = '/_matrix/client/unstable/io.partyline/login/nonce';
  const answer = await transport.send(serverName, { method: 'GET', path, timeoutMs, countErrors: false });
  const nonce: unknown = answer.ok ? answer.object()['nonce'] : undefined;
  return typeof nonce === 'string' ? { nonce, signature: await sign(loginProofText(nonce, userId, serverName)) } : undefined;
}
