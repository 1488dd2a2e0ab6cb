import { Injectable } from '@nestjs/common';

/** The version vector of an account's operation log (protocol §4): home name → number of its last operation known here. */
export abstract class AccountVector {
  abstract of(userId: string): Promise<Readonly<Record<string, number>>>;
}

/** The vectors of accounts with a single home. */
@Injectable()
export class EmptyAccountVector extends AccountVector {
  override of(): Promise<Readonly<Record<string, number>>> {
    return Promise.resolve({});
  }
}
