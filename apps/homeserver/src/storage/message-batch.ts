import pg from 'pg';
import type { Connection, PoolClient, Submittable } from 'pg';

/** A statement as it goes out: prepared once per connection under its name, if it has one. */
export interface Part {
  readonly text: string;
  readonly name?: string | undefined;
  /** As the driver takes them. */
  readonly values: readonly unknown[];
}

/** What a statement found; filled when the answer is there. */
export interface Found {
  rows: Record<string, unknown>[];
  rowCount: number | null;
  /** First word of it, such as `INSERT`. */
  command: string;
}

interface Field {
  readonly name: string;
  readonly dataTypeID: number;
}

/** The driver's messages, and what it keeps of a connection: what its own queries are made of. */
interface Wire {
  readonly stream: { cork(): void; uncork(): void };
  readonly parsedStatements: Record<string, string | undefined>;
  parse(message: { readonly text: string; readonly name: string }): void;
  bind(message: { readonly statement: string; readonly values: readonly unknown[] }): void;
  describe(message: { readonly type: 'P'; readonly name: '' }): void;
  execute(): void;
  sync(): void;
}

const { prepareValue } = (pg as unknown as { utils: { prepareValue(value: unknown): unknown } }).utils;

/** What the rows of named statements look like (null: there are none), so that the database is asked for it once. */
const shapes = new WeakMap<object, Map<string, RowShape | null>>();

/** @throws where a value cannot be written */
export function part({ name, text }: { readonly name?: string; readonly text: string }, values: readonly unknown[] = []): Part {
  return { name, text, values: values.map((value) => prepareValue(value)) };
}

/**
 * Sends statements in one message and waits for all answers. The first that fails ends the batch: what is behind it is not looked at. Outside of
 * a transaction they are one by themselves, which is committed with the last of them (PostgreSQL documentation, "Pipelining").
 *
 * @param answerMs whoever does not answer within this time has fallen silent
 */
export function sendBatch(client: PoolClient, parts: readonly Part[], answerMs: number): Promise<Found[]> {
  return new Promise((resolve, reject) => {
    const batch = new Batch(client, parts, answerMs);
    batch.callback = (error) => (error ? reject(error) : resolve(batch.found));
    client.query(batch);
  });
}

/** To the driver a query like its own. */
class Batch implements Submittable {
  callback: (error?: Error | null) => void = () => undefined;
  readonly found: Found[];
  #wire!: Wire;
  /** The statement that is being answered. */
  #at = 0;
  #shape: RowShape | null = null;
  #unreadable: Error | undefined;

  constructor(
    private readonly client: PoolClient,
    private readonly parts: readonly Part[],
    readonly query_timeout: number,
  ) {
    this.found = parts.map(() => ({ rows: [], rowCount: null, command: '' }));
  }

  /** Read by the driver when a statement was parsed. */
  get name(): string | undefined {
    return this.parts[this.#at]?.name;
  }

  get text(): string | undefined {
    return this.parts[this.#at]?.text;
  }

  submit(connection: Connection): void {
    const wire = (this.#wire = connection as unknown as Wire);
    const known = shapesOf(wire);
    const parsed = new Set<string>();
    wire.stream.cork();
    try {
      for (const { name = '', text, values } of this.parts) {
        if (name === '' || (wire.parsedStatements[name] === undefined && !parsed.has(name))) wire.parse({ name, text });
        parsed.add(name);
        wire.bind({ statement: name, values });
        if (name === '' || !known.has(name)) wire.describe({ type: 'P', name: '' });
        wire.execute();
      }
      wire.sync();
    } finally {
      wire.stream.uncork();
    }
    this.#begin();
  }

  handleRowDescription({ fields }: { readonly fields: readonly Field[] }): void {
    this.#shape = new RowShape(fields, this.client);
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    try {
      this.found[this.#at]!.rows.push(this.#shape!.read(fields));
    } catch (error) {
      this.#unreadable ??= error as Error;
    }
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    const words = text.split(' ');
    const found = this.found[this.#at]!;
    found.command = words[0]!;
    found.rowCount = words.length > 1 ? Number(words.at(-1)) : null;
    this.#end();
  }

  handleEmptyQuery(): void {
    this.#end();
  }

  handleError(error: Error): void {
    this.callback(error);
  }

  handleReadyForQuery(): void {
    this.callback(this.#unreadable);
  }

  handlePortalSuspended(): void {}
  handleCopyInResponse(): void {}
  handleCopyData(): void {}

  #begin(): void {
    const { name } = this;
    this.#shape = (name !== undefined && shapesOf(this.#wire).get(name)) || null;
  }

  #end(): void {
    const { name } = this;
    if (name !== undefined) shapesOf(this.#wire).set(name, this.#shape);
    this.#at++;
    this.#begin();
  }
}

function shapesOf(wire: Wire): Map<string, RowShape | null> {
  let known = shapes.get(wire);
  if (!known) shapes.set(wire, (known = new Map()));
  return known;
}

/** Makes objects of rows. */
class RowShape {
  readonly #names: readonly string[];
  readonly #parsers: readonly ((text: string) => unknown)[];
  /** Its copies have their members in the same order, and so one hidden class. */
  readonly #empty: Record<string, unknown>;

  constructor(fields: readonly Field[], client: PoolClient) {
    this.#names = fields.map(({ name }) => name);
    this.#parsers = fields.map(({ dataTypeID }) => client.getTypeParser(dataTypeID, 'text') as (text: string) => unknown);
    this.#empty = Object.fromEntries(this.#names.map((name) => [name, null]));
  }

  read(values: readonly (string | null)[]): Record<string, unknown> {
    const row = { ...this.#empty };
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (value !== null) row[this.#names[i]!] = this.#parsers[i]!(value);
    }
    return row;
  }
}
