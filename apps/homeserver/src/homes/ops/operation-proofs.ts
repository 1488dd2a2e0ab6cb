import { Injectable } from '@nestjs/common';
import { homeOfLog } from '#federation';
import { HomeRecords } from '../records/home-records.js';
import { wireOperation } from './operation-pages.js';
import { OperationsStore } from './operations.store.js';

/** What an account's log says of an item, as its writer signed it: for others who are shown it. */
@Injectable()
export class OperationProofs {
  constructor(
    private readonly records: HomeRecords,
    private readonly store: OperationsStore,
  ) {}

  /** By that home, by whose key signs the log; undefined where it has written nothing of it. */
  async of(userId: string, item: { readonly kind: string; readonly key: string }, home: string): Promise<object | undefined> {
    const record = await this.records.get(userId);
    const held = record && (await this.store.kept(userId, [item])).find(({ log }) => homeOfLog(record, log)?.server_name === home);
    return held && wireOperation(held);
  }
}
