import { Injectable } from '@nestjs/common';

/** The version vector of an account's operation log (protocol §4): home name → number of its last operation known here. */
export interface AccountVectorSource {
  of(userId: string): Promise<Readonly<Record<string, number>>>;
}

/** Where `/sync` finds version vectors. The folder of homes lies above and registers when the server starts; until then they are empty. */
@Injectable()
export class AccountVector {
  #source: AccountVectorSource | null = null;

  use(source: AccountVectorSource): void {
    this.#source = source;
  }

  async of(userId: string): Promise<Readonly<Record<string, number>>> {
    return (await this.#source?.of(userId)) ?? {};
  }
}
