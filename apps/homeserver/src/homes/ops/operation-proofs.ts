import { Injectable } from '@nestjs/common';
import { wireOperation } from './operation-pages.js';
import { OperationsStore } from './operations.store.js';

/** What an account's log says of an item, as its writer signed it: for others who are shown it. */
@Injectable()
export class OperationProofs {
  constructor(private readonly store: OperationsStore) {}

  /** By that home; undefined where it has written nothing of it. */
  async of(userId: string, item: { readonly kind: string; readonly key: string }, home: string): Promise<object | undefined> {
    const held = (await this.store.kept(userId, [item])).find(({ op }) => op.home === home);
    return held && wireOperation(held);
  }
}
