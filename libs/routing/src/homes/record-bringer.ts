import type { Phonebook } from '../phonebook/phonebook.js';
import type { HomeTransport } from './home-transport.js';

const timeoutMs = 4_000;
const path = '/_matrix/client/unstable/io.partyline/account/record';

/**
 * Brings the highest record that the client has to each home that it meets, once: what a server was to tell the others may have
 * died with it (protocol §2, "Telling and asking"). No token is needed, a record proves itself.
 */
export class RecordBringer {
  /** By home, the signature of the record that it has. */
  private readonly brought = new Map<string, string>();

  constructor(private readonly parts: { transport: HomeTransport; phonebook: Phonebook; userId: string }) {}

  /** Never fails: a home that is away is met again. A higher record that the home has is taken. */
  async bring(serverName: string): Promise<void> {
    const { transport, phonebook, userId } = this.parts;
    const { record } = phonebook.account(userId);
    if (!record || this.brought.get(serverName) === record.signature) return;
    try {
      const headers = new Headers({ 'content-type': 'application/json' });
      const answer = await transport.send(serverName, { method: 'PUT', path, headers, body: JSON.stringify({ record }), timeoutMs, countErrors: false });
      const body = answer.json() as { record?: unknown; told?: unknown } | undefined;
      if (answer.status === 409) await phonebook.takeRecord(userId, body?.record);
      if (!answer.ok && answer.status !== 409) return;
      const told = Array.isArray(body?.told) ? body.told.filter((name): name is string => typeof name === 'string') : [];
      for (const name of [serverName, ...told]) this.brought.set(name, record.signature);
    } catch {
      // It did not answer.
    }
  }
}
