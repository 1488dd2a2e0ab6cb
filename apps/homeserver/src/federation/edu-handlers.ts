import { Injectable } from '@nestjs/common';
import { MAX_NESTING, nestsDeeperThan } from '#json';
import { isUnavailable } from '../storage/database-errors.js';
import { Log } from '../observability/log.js';

/** An EDU's `content`: an object, otherwise unchecked. */
export type EduHandler = (origin: string, content: Record<string, unknown>) => Promise<void>;

/** Who takes which kind of EDU. Owners register when the server starts. */
@Injectable()
export class EduHandlers {
  readonly #handlers = new Map<string, EduHandler>();

  constructor(private readonly log: Log) {}

  register(eduType: string, handler: EduHandler): void {
    if (this.#handlers.has(eduType)) throw new Error(`two handlers for EDUs of type ${eduType}`);
    this.#handlers.set(eduType, handler);
  }

  /**
   * Hands over one EDU. Unknown kinds and wrong shapes are ignored; a handler that fails does not stop the next EDU.
   *
   * @throws what the handler threw when the database is away: the sender keeps the EDU then, and brings it again
   */
  async handle(origin: string, edu: unknown): Promise<void> {
    const { edu_type: type, content } = (edu ?? {}) as Record<string, unknown>;
    if (typeof type !== 'string' || typeof content !== 'object' || content === null || Array.isArray(content)) return;
    const handler = this.#handlers.get(type);
    if (!handler || nestsDeeperThan(content, MAX_NESTING)) return;
    try {
      await handler(origin, content as Record<string, unknown>);
    } catch (error) {
      if (isUnavailable(error)) throw error;
      this.log.error('EDU handler failed', error, { origin, type });
    }
  }
}
