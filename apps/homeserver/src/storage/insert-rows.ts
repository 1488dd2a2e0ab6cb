import type { Queryable, Statement } from './database.js';

/** Largest number of rows in one statement; PostgreSQL takes 65,535 parameters. */
const MAX_ROWS = 256;

/**
 * A bulk insert as multi-row `INSERT … VALUES` in power-of-two sizes, so that a few named prepared statements serve every
 * number of rows (measured faster than `unnest`, JSON parameters and single rows).
 */
export class RowInserter {
  readonly #statements = new Map<number, Statement>();
  readonly #maxRows: number;

  /**
   * @param name unique statement name prefix
   * @param columns column names; a row is an array of values in this order
   * @param suffix e.g. `ON CONFLICT (…) DO UPDATE SET …`; note that one statement must not touch a row twice
   * @param casts optional type per column, needed where PostgreSQL cannot infer it
   */
  constructor(
    private readonly name: string,
    private readonly table: string,
    private readonly columns: readonly string[],
    private readonly suffix = '',
    private readonly casts: readonly (string | undefined)[] = [],
  ) {
    let size = MAX_ROWS;
    while (size * columns.length > 30_000) size /= 2;
    this.#maxRows = size;
  }

  /** Inserts all rows; order is kept. */
  async insert(tx: Queryable, rows: readonly (readonly unknown[])[]): Promise<void> {
    let start = 0;
    while (start < rows.length) {
      const size = Math.min(this.#maxRows, 2 ** Math.floor(Math.log2(rows.length - start)));
      const values: unknown[] = [];
      for (let i = start; i < start + size; i++) values.push(...rows[i]!);
      await tx.write(this.#statement(size), values);
      start += size;
    }
  }

  #statement(size: number): Statement {
    let statement = this.#statements.get(size);
    if (!statement) {
      const width = this.columns.length;
      const row = (r: number) =>
        `(${this.columns.map((_, c) => `$${r * width + c + 1}${this.casts[c] ? `::${this.casts[c]}` : ''}`).join(',')})`;
      const values = Array.from({ length: size }, (_, r) => row(r)).join(',');
      statement = {
        name: `${this.name}.${size}`,
        text: `INSERT INTO ${this.table} (${this.columns.join(',')}) VALUES ${values} ${this.suffix}`,
        writes: true,
        gives: /\bRETURNING\b/.test(this.suffix),
        grows: true,
      };
      this.#statements.set(size, statement);
    }
    return statement;
  }
}
