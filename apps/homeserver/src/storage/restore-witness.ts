import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseStoredJson } from '#json';
import { positionsText, readPositions, type Positions } from './positions-text.js';

const FILE = 'database-witness';

/** What the database is known to have held at some time: a place in its history. */
export interface Witnessed {
  readonly epoch: string;
  readonly run: string;
  readonly positions: Positions;
}

/**
 * A file beside the database, not in it, that is never ahead of the database and never more than some seconds behind. If the
 * database lacks what the file says, it is an older copy. Losing the file does no harm; a backup should leave it out.
 */
export class RestoreWitness {
  #last = '';

  constructor(private readonly folder: string) {}

  /** Undefined when there is none, or none that can be read. */
  read(): Witnessed | undefined {
    try {
      const { epoch, run, positions } = parseStoredJson(readFileSync(join(this.folder, FILE), 'utf8')) as Record<string, unknown>;
      if (typeof epoch !== 'string' || typeof run !== 'string') return undefined;
      return { epoch, run, positions: readPositions(JSON.stringify(positions)) };
    } catch {
      return undefined;
    }
  }

  /** Does nothing when nothing has changed. A file that cannot be written is missed only after a restore. */
  write({ epoch, run, positions }: Witnessed): void {
    const text = `{"epoch":"${epoch}","run":"${run}","positions":${positionsText(positions)}}\n`;
    if (text === this.#last) return;
    try {
      mkdirSync(this.folder, { recursive: true });
      writeFileSync(join(this.folder, `${FILE}.new`), text);
      renameSync(join(this.folder, `${FILE}.new`), join(this.folder, FILE));
      this.#last = text;
    } catch {
      this.#last = '';
    }
  }
}
