/** The time in which this process is the one that may write to its database. */
export class Tenure {
  /** What every transaction is checked against; undefined before the database is this process's. */
  epoch: number | undefined;
  /** Resolves with a sentence for the operator when the time is over while the process runs. */
  readonly ended: Promise<string>;
  #end!: (sentence: string) => void;
  #isOver = false;

  constructor() {
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  end(sentence: string): void {
    this.#isOver = true;
    this.#end(sentence);
  }
}
