import { Injectable } from '@nestjs/common';
import { RoomAliasLookup } from '../../federation/room-alias-lookup.js';
import { RoomAddresses, type RoomAddress } from '../membership/room-address.js';

/** Answers other servers' questions for aliases of this server. */
@Injectable()
export class LocalAliases extends RoomAliasLookup {
  constructor(private readonly addresses: RoomAddresses) {
    super();
  }

  override find(alias: string): Promise<RoomAddress | undefined> {
    return this.addresses.local(alias);
  }
}
