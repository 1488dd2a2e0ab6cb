import { randomBytes } from 'node:crypto';
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { signingKeyFromSeed, signJson, type SigningKey } from '../../libs/federation/src/index.js';
import { freePort } from '../network/free-port.js';
import { testCluster } from '../network/test-cluster.js';

const KEY_LIFETIME_MS = 24 * 3_600_000;
const START_ATTEMPTS = 3;

/** A server that is nothing but its name and key. */
export interface Peer {
  readonly name: string;
  readonly key: SigningKey;
}

/** Peers that are no good, and people who write, in a process of their own (neighbourhood-process.mjs). */
export class Neighbourhood {
  readonly #child: ChildProcess = fork(fileURLToPath(new URL('./neighbourhood-process.mjs', import.meta.url)), { execArgv: [] });
  readonly #waiting = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  #orders = 0;

  constructor() {
    this.#child.on('message', ({ id, error }: { id: number; error?: string }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve();
      else waiting?.reject(new Error(error));
    });
  }

  /** A server that shows its keys and beyond that never answers, or after 14 s. */
  async addPeer(kind: 'silent' | 'slow'): Promise<Peer> {
    const { tls } = await testCluster();
    const key = signingKeyFromSeed('ed25519:bad', randomBytes(32));
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      const name = `localhost:${port}`;
      const keys = { server_name: name, verify_keys: { [key.keyId]: { key: key.publicKey } }, old_verify_keys: {}, valid_until_ts: Date.now() + KEY_LIFETIME_MS };
      try {
        await this.#order('peer', { port, kind, tls, keys: JSON.stringify(signJson(keys, name, key)) });
        return { name, key };
      } catch (error) {
        // Somebody took the port between the look and the start.
        if (attempt === START_ATTEMPTS) throw error;
      }
    }
  }

  /** Somebody who puts something there about so often, until the end. */
  addWriter(url: string, token: string, everyMs: number): Promise<void> {
    return this.#order('writer', { url, token, everyMs });
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    await ended;
  }

  #order(what: string, order: object): Promise<void> {
    const id = ++this.#orders;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, what, order });
    });
  }
}
