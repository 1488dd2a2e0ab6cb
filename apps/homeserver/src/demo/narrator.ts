const WIDTH = 100;
const INDENT = ' '.repeat(9);

export interface NarratorParts {
  write(text: string): void;
  /** Milliseconds, from any start. */
  now(): number;
  /** Whether the terminal shows colours. */
  colours: boolean;
}

/** Tells the story: each line begins with the seconds since the start. */
export class Narrator {
  readonly #started: number;
  #chapters = 0;

  constructor(private readonly parts: NarratorParts) {
    this.#started = parts.now();
  }

  /** A heading. */
  chapter(title: string): void {
    const heading = `${++this.#chapters}. ${title}`;
    this.parts.write(`\n${this.#paint('1', heading)}\n`);
  }

  /** One thing that happened. */
  say(text: string): void {
    this.#lines(this.#stamp(), text, '0');
  }

  /** Something that somebody wrote in the room. */
  quote(who: string, text: string): void {
    this.#lines(this.#stamp(), `${who.padEnd(6)}“${text}”`, '2');
  }

  /** A line without time. */
  plain(text = ''): void {
    this.parts.write(`${text}\n`);
  }

  bold(text: string): string {
    return this.#paint('1', text);
  }

  good(text: string): string {
    return this.#paint('32', text);
  }

  bad(text: string): string {
    return this.#paint('31', text);
  }

  #stamp(): string {
    return `${((this.parts.now() - this.#started) / 1000).toFixed(1).padStart(6)}   `;
  }

  #lines(stamp: string, text: string, style: string): void {
    const [first = '', ...rest] = wrapped(text, WIDTH - INDENT.length);
    this.parts.write(`${this.#paint('2', stamp)}${this.#paint(style, first)}\n`);
    for (const line of rest) this.parts.write(`${INDENT}${this.#paint(style, line)}\n`);
  }

  #paint(style: string, text: string): string {
    return this.parts.colours && style !== '0' ? `\u001b[${style}m${text}\u001b[0m` : text;
  }
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
