import { createPrivateKey, randomBytes } from 'node:crypto';
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { signingKeyFromSeed, signJson, type SigningKey } from '../../libs/federation/src/index.js';
import { freePort } from '../network/free-port.js';
import { testCluster } from '../network/test-cluster.js';
import type { TestServer } from '../network/test-server.js';

const KEY_LIFETIME_MS = 24 * 3_600_000;
const START_ATTEMPTS = 3;
/** PrivateKeyInfo of an Ed25519 key is this and the seed (RFC 8410). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/** A server that is nothing but its name and key. */
export interface Peer {
  readonly name: string;
  readonly key: SigningKey;
  readonly seed: Buffer;
}

/** A request that is made again and again; `{random}` in the path, and a member `random` of the body, are others each time. */
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
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

  /** A server that shows its keys and beyond that never answers, or after 14 s, or always this nonsense. */
  async addPeer(kind: 'silent' | 'slow' | 'mad', nonsense: object = {}): Promise<Peer> {
    const { tls } = await testCluster();
    const seed = randomBytes(32);
    const key = signingKeyFromSeed('ed25519:bad', seed);
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      const name = `localhost:${port}`;
      const keys = { server_name: name, verify_keys: { [key.keyId]: { key: key.publicKey } }, old_verify_keys: {}, valid_until_ts: Date.now() + KEY_LIFETIME_MS };
      try {
        await this.#order('peer', { port, kind, tls, nonsense: JSON.stringify(nonsense), keys: JSON.stringify(signJson(keys, name, key)) });
        return { name, key, seed };
      } catch (error) {
        // Somebody took the port between the look and the start.
        if (attempt === START_ATTEMPTS) throw error;
      }
    }
  }

  /** A client that makes these calls in turn, one about so often, until the end. */
  addClient(url: string, token: string, everyMs: number, calls: readonly Call[]): Promise<void> {
    return this.#order('caller', { url, token, everyMs, calls });
  }

  /** The same of a server, whose requests are signed. */
  addServer({ name, key, seed }: Peer, target: TestServer, everyMs: number, calls: readonly Call[]): Promise<void> {
    const pem = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' }).export({ format: 'pem', type: 'pkcs8' });
    return this.#order('caller', { url: target.url, everyMs, calls, signer: { origin: name, destination: target.name, keyId: key.keyId, pem } });
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
