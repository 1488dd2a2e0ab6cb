import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureDatabase, startPrivateCluster, type PrivateCluster } from '../storage/private-cluster.js';
import { createCertificateAuthority } from '../tls/certificate-authority.js';
import { freePorts } from './free-ports.js';
import { ServerProcess } from './server-process.js';

const PREFIX = 'partyline-demo-';

export interface StageOptions {
  /** Names of the servers, e.g. `['A', 'B', 'C']`. */
  readonly labels: readonly string[];
  readonly progress: (what: string) => void;
  /** Settings of PostgreSQL in place of its defaults. */
  readonly postgres?: Readonly<Record<string, string>>;
}

/** What the servers stand on: a folder, a PostgreSQL with a database for each, an authority for their certificates. */
export class Stage {
  readonly #folder: string;
  #cluster: PrivateCluster | null = null;
  #servers: ServerProcess[] = [];
  #closed: Promise<void> | null = null;

  private constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
    // PostgreSQL's user, which is not root, has to pass through.
    chmodSync(this.#folder, 0o711);
  }

  /** Prepares everything; the servers are not started yet. */
  static async open(options: StageOptions): Promise<Stage> {
    await sweep(options.progress);
    const stage = new Stage();
    try {
      await stage.#prepare(options);
    } catch (error) {
      await stage.close();
      throw error;
    }
    return stage;
  }

  get servers(): readonly ServerProcess[] {
    return this.#servers;
  }

  /** Ends all processes and deletes the folder. Idempotent. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.kill()));
    await this.#cluster?.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #prepare({ labels, progress, postgres }: StageOptions): Promise<void> {
    const [cluster, ports] = await Promise.all([
      startPrivateCluster({ dataDir: this.#folder, path: process.env['PATH'], progress, settings: postgres }),
      freePorts(labels.length * 2),
    ]);
    this.#cluster = cluster;
    const authority = createCertificateAuthority(Date.now(), randomBytes);
    const { cert, key } = authority.issue(['localhost', '127.0.0.1', '::1']);
    const file = (name: string, content: string): string => {
      const path = join(this.#folder, name);
      writeFileSync(path, content, { mode: 0o600 });
      return path;
    };
    const shared = {
      PARTYLINE_TLS_CERT: file('cert.pem', cert),
      PARTYLINE_TLS_KEY: file('key.pem', key),
      PARTYLINE_FEDERATION_CA: file('ca.pem', authority.cert),
      PARTYLINE_ALLOW_PRIVATE_ADDRESSES: 'on',
      PARTYLINE_BIND: '127.0.0.1,::1',
      PARTYLINE_REGISTRATION: 'open',
      PARTYLINE_RATE_LIMITS: 'off',
      NODE_ENV: 'production',
    };
    for (const [index, label] of labels.entries()) {
      const database = `partyline_${label.toLowerCase()}`;
      await ensureDatabase(cluster, database);
      const [httpPort, httpsPort] = [ports[index * 2]!, ports[index * 2 + 1]!];
      const dataDir = join(this.#folder, label.toLowerCase());
      mkdirSync(dataDir);
      const serverName = `localhost:${httpsPort}`;
      this.#servers.push(new ServerProcess({
        label,
        serverName,
        url: `http://localhost:${httpPort}`,
        command: [launcher(), 'serve'],
        environment: {
          ...shared,
          PARTYLINE_SERVER_NAME: serverName,
          PARTYLINE_DATA_DIR: dataDir,
          PARTYLINE_HTTP_PORT: String(httpPort),
          PARTYLINE_HTTPS_PORT: String(httpsPort),
          DATABASE_URL: cluster.url(database),
        },
      }));
    }
  }
}

/** The script that runs a command of the build. */
function launcher(): string {
  const here = fileURLToPath(import.meta.url);
  return join(here.slice(0, here.lastIndexOf('/dist/')), 'bin', 'run-main.js');
}

/** Removes what demonstrations left behind that were killed themselves. */
async function sweep(progress: (what: string) => void): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1] ?? 0);
    if (pid === 0 || isAlive(pid)) continue;
    const folder = join(tmpdir(), name);
    try {
      // Adopts the database that still runs there, or starts it, only to end it in order.
      if (hasCluster(folder)) await (await startPrivateCluster({ dataDir: folder, path: process.env['PATH'], progress: () => undefined })).stop();
      rmSync(folder, { recursive: true, force: true });
    } catch {
      progress(`${folder} of an earlier demonstration could not be removed`);
    }
  }
}

function hasCluster(folder: string): boolean {
  return readdirSync(folder).includes('postgres');
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
