import { Injectable } from '@nestjs/common';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { MatrixError } from '../../errors/matrix-error.js';

/** Whether an account of this server takes an invitation. */
export type InviteRule = (inviter: string, invitee: string) => Promise<MatrixError | null>;

/** Where it is decided whether an account may be invited; rules come from the folders above (ignored users, consent). */
@Injectable()
export class InvitePolicy {
  readonly #rules: InviteRule[] = [];

  constructor(private readonly accounts: AccountDirectory) {}

  add(rule: InviteRule): void {
    this.#rules.push(rule);
  }

  /** @throws the first objection, e.g. 403 `M_INVITE_BLOCKED`; 404 for an account that is deactivated */
  async assertAllowed(inviter: string, invitee: string): Promise<void> {
    if ((await this.accounts.get(invitee))?.deactivatedTs ?? false) throw MatrixError.notFound('The account is deactivated');
    for (const rule of this.#rules) {
      const objection = await rule(inviter, invitee);
      if (objection) throw objection;
    }
  }
}
