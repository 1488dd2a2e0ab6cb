import { Injectable } from '@nestjs/common';
import { AccountDirectory } from '../accounts/account-directory.js';
import { Config } from '../config/config.js';
import { Random } from '../observability/random.js';
import { sameText } from './same-text.js';

/**
 * The one-time registration token of a server without accounts, whoever holds which becomes its administrator. It lives in
 * memory: the next start makes another one.
 */
@Injectable()
export class FirstRunAdmin {
  #token: string | null = null;
  #isTaken = false;

  constructor(
    private readonly directory: AccountDirectory,
    private readonly config: Config,
    private readonly random: Random,
  ) {}

  /** Address of the set-up page with the token; undefined once the server has an account. */
  async link(): Promise<string | undefined> {
    if (!this.isPending) return undefined;
    this.#token ??= this.random.token(24);
    return `${this.config.publicUrl}/setup#${this.#token}`;
  }

  get isPending(): boolean {
    return this.directory.size === 0;
  }

  isValid(token: string): boolean {
    return this.#token !== null && !this.#isTaken && this.isPending && sameText(token, this.#token);
  }

  /** Runs the registration; nobody else can use the token meanwhile, and it is good again if the registration fails. */
  async use<T>(token: string, register: () => Promise<T>): Promise<T | undefined> {
    if (!this.isValid(token)) return undefined;
    this.#isTaken = true;
    try {
      return await register();
    } finally {
      this.#isTaken = false;
    }
  }
}
