import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

type Answer = (reply: FastifyReply) => void;

/** Addresses of programs, whoever opens them. */
const PROGRAMS = /^\/(_|\.well-known\/|assets\/|health$)/;

/** What a person sees who opens an address that does not exist. The pages register it; without them everybody gets JSON. */
@Injectable()
export class NotFoundPage {
  #answer: Answer | undefined;

  /** Called once, when the server starts. */
  register(answer: Answer): void {
    this.#answer = answer;
  }

  /** True when it has answered: a browser asked for a page, not a program for data. */
  answer(request: FastifyRequest, reply: FastifyReply): boolean {
    const isBrowser = request.method === 'GET' && /\btext\/html\b/.test(request.headers.accept ?? '') && !PROGRAMS.test(request.url);
    if (!isBrowser || !this.#answer) return false;
    this.#answer(reply);
    return true;
  }
}
