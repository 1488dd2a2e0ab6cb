import type { HomeRecord } from '#federation';
import { RecordMerger, type RecordMergerParts } from './record-merger.js';
import type { HomeTransport } from './home-transport.js';
import { loginProof } from './login-proof.js';

const timeoutMs = 4_000;
export interface RecordBringerParts extends RecordMergerParts {
  transport: HomeTransport;
  /** Ids of the latest events that the app has, by room. */
  seen?: () => Promise<Record<string, string[]>>;
}

/** Records that are merged with what one home has, one after the other. */
const maxMerges = 3;
/** Records signed apart that a home shows. */
const maxRivals = 6;
const path = '/_matrix/client/unstable/io.partyline/account/record';

/**
 * Brings the highest record that the client has to each home that it meets, once: what a server was to tell the others may have
 * died with it (protocol §2, "Telling and asking"). No token is needed, a record proves itself. A home where the client has not logged in
 * yet may be a new one: it is told, too, what the client has seen in its rooms, so that it has that before the client goes on
 * there (protocol §3, "Moving in").
 */
export class RecordBringer {
  /** By home, the signature of the record that it has. */
  private readonly brought = new Map<string, string>();

  private readonly merger: RecordMerger;

  constructor(private readonly parts: RecordBringerParts) {
    this.merger = new RecordMerger(parts);
  }

  /** Takes a record that a home showed, or what follows it and the known one. Returns whether there is another one now. */
  take(record: unknown): Promise<boolean> {
    return this.merger.take(record);
  }

  /**
   * Never fails: a home that is away is met again. A higher record that the home has is taken, and what two of one version make is
   * brought.
   * @param anew the home has said something that its record must bear out
   */
  async bring(serverName: string, anew = false, merges = maxMerges): Promise<void> {
    const { transport, phonebook, userId } = this.parts;
    const { record } = phonebook.account(userId);
    if (!record || (!anew && this.brought.get(serverName) === record.signature)) return;
    try {
      const headers = new Headers({ 'content-type': 'application/json' });
      const body = JSON.stringify({ record, ...(await this.seen(serverName)) });
      const answer = await transport.send(serverName, { method: 'PUT', path, headers, body, timeoutMs, countErrors: false });
      const said = answer.object() as { record?: unknown; told?: unknown; rivals?: unknown } | undefined;
      // A home that has taken the record may know others that were signed apart.
      const shown = answer.status === 409 ? [said?.record] : Array.isArray(said?.rivals) ? (said.rivals as unknown[]).slice(0, maxRivals) : [];
      let isMerged = false;
      for (const one of shown) if (await this.take(one)) isMerged = !isSame(phonebook.account(userId).record, one);
      if (isMerged && merges > 0) return await this.bring(serverName, anew, merges - 1);
      if (!answer.ok && answer.status !== 409) return;
      const told = Array.isArray(said?.told) ? said.told.filter((name): name is string => typeof name === 'string') : [];
      for (const name of [serverName, ...told]) this.brought.set(name, record.signature);
    } catch {
      // It did not answer.
    }
  }

  /** With the account key's proof, which a home wants for this. */
  private async seen(serverName: string): Promise<object> {
    const { transport, phonebook, userId, sign } = this.parts;
    const isNew = phonebook.home(userId, serverName)?.accessToken === undefined;
    const seen = isNew ? await this.parts.seen?.() : undefined;
    if (!seen || Object.keys(seen).length === 0) return {};
    const proof = await loginProof({ transport, userId, serverName, sign, timeoutMs });
    return proof ? { seen, ...proof } : {};
  }
}

function isSame(record: HomeRecord | undefined, other: unknown): boolean {
  return record?.signature === (other as { signature?: unknown } | undefined)?.signature;
}
