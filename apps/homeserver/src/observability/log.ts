import { pino, type Logger } from 'pino';

/** How much is logged, most first. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The server's log: JSON lines on stderr (stdout belongs to people and to the `listening` line). Never log tokens, keys or bodies. */
export class Log {
  readonly #logger: Logger;

  constructor(level: LogLevel, bindings: Record<string, unknown> = {}) {
    this.#logger = pino({ level, base: bindings }, pino.destination({ dest: 2, sync: false }));
  }

  get level(): LogLevel {
    return this.#logger.level as LogLevel;
  }

  set level(level: LogLevel) {
    this.#logger.level = level;
  }

  debug(message: string, fields: Record<string, unknown> = {}): void {
    this.#logger.debug(fields, message);
  }

  info(message: string, fields: Record<string, unknown> = {}): void {
    this.#logger.info(fields, message);
  }

  warn(message: string, fields: Record<string, unknown> = {}): void {
    this.#logger.warn(fields, message);
  }

  error(message: string, error: unknown, fields: Record<string, unknown> = {}): void {
    this.#logger.error({ ...fields, err: error instanceof Error ? { message: error.message, stack: error.stack } : error }, message);
  }
}
