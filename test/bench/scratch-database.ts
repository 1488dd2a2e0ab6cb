import { randomBytes } from 'node:crypto';

import pg from 'pg';

/** A database that exists for one run. */
export class ScratchDatabase {
  readonly url: string;
  readonly #clusterUrl: string;
  readonly #name: string;

  private constructor(clusterUrl: string, name: string) {
    const url = new URL(clusterUrl);
    url.pathname = `/${name}`;
    this.url = url.href;
    this.#clusterUrl = clusterUrl;
    this.#name = name;
  }

  /** @throws Error when the user of this URL may not create databases */
  static async create(clusterUrl: string): Promise<ScratchDatabase> {
    const scratch = new ScratchDatabase(clusterUrl, `partyline_bench_${randomBytes(4).toString('hex')}`);
    await scratch.#run(`CREATE DATABASE ${scratch.#name} ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0`);
    return scratch;
  }

  async drop(): Promise<void> {
    await this.#run(`DROP DATABASE IF EXISTS ${this.#name} WITH (FORCE)`);
  }

  async #run(sql: string): Promise<void> {
    const client = new pg.Client({ connectionString: this.#clusterUrl });
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  }
}
