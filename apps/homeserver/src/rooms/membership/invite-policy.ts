import { Injectable } from '@nestjs/common';
import { AccountData } from '../../account-data/account-data.js';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { MatrixError } from '../../errors/matrix-error.js';

/** Whether accounts of this server may be invited. */
@Injectable()
export class InvitePolicy {
  constructor(
    private readonly accounts: AccountDirectory,
    private readonly accountData: AccountData,
  ) {}

  /**
   * What the invitee ignores is taken all the same, so that the inviter learns nothing; `/sync` does not show it.
   *
   * @throws MatrixError 403 `M_INVITE_BLOCKED`; 404 for an account that is deactivated
   */
  async assertAllowed(inviter: string, invitee: string): Promise<void> {
    if ((await this.accounts.get(invitee))?.deactivatedTs ?? false) throw MatrixError.notFound('The account is deactivated');
    if ((await this.accountData.invitePermissions(invitee)).of(inviter) === 'block') throw new MatrixError(403, 'M_INVITE_BLOCKED', 'This user does not take invitations from you');
  }
}
