import { Global, Injectable, Module } from '@nestjs/common';
import { AccountsModule } from '../../apps/homeserver/src/accounts/accounts.module.js';
import { FederationModule } from '../../apps/homeserver/src/federation/federation.module.js';
import { ClaimedVersions } from '../../apps/homeserver/src/federation/claimed-versions.js';
import { PduReceiver, type PduResults } from '../../apps/homeserver/src/federation/pdu-receiver.js';
import { RoomAliasLookup } from '../../apps/homeserver/src/federation/room-alias-lookup.js';
import { InboundTransactions } from '../../apps/homeserver/src/federation/inbound/inbound-transactions.js';
import { KeysController } from '../../apps/homeserver/src/federation-api/keys/keys.controller.js';
import { QueryController } from '../../apps/homeserver/src/federation-api/query/query.controller.js';
import { SignedRequests } from '../../apps/homeserver/src/federation-api/signed-requests.js';
import { TransactionsController } from '../../apps/homeserver/src/federation-api/transactions/transactions.controller.js';
import { VersionController } from '../../apps/homeserver/src/federation-api/version/version.controller.js';
import { HttpModule } from '../../apps/homeserver/src/http/http.module.js';

/** Stands where the rooms are in a whole server: takes PDUs of the form `{event_id, reject?}` and remembers them. */
@Injectable()
export class RecordingReceiver extends PduReceiver {
  readonly received: { origin: string; eventId: string }[] = [];
  /** Runs of `receive`. */
  runs = 0;
  /** Set to make the next runs wait. */
  gate: Promise<void> = Promise.resolve();

  override async receive(origin: string, pdus: readonly unknown[]): Promise<PduResults> {
    this.runs++;
    await this.gate;
    const results: PduResults = {};
    for (const { event_id: eventId, reject } of pdus as { event_id: string; reject?: boolean }[]) {
      this.received.push({ origin, eventId });
      results[eventId] = reject ? { error: 'not wanted' } : { taken: true };
    }
    return results;
  }
}

@Injectable()
class OneAlias extends RoomAliasLookup {
  override async find(alias: string): Promise<{ roomId: string; servers: readonly string[] } | undefined> {
    return alias.startsWith('#here:') ? { roomId: '!room:a.example', servers: ['a.example'] } : undefined;
  }
}

/** A server without homes, which knows no records. */
@Injectable()
class NoVersions extends ClaimedVersions {
  override answer(): Promise<Record<string, never>> {
    return Promise.resolve({});
  }
}

@Global()
@Module({
  providers: [RecordingReceiver, { provide: PduReceiver, useExisting: RecordingReceiver }, { provide: RoomAliasLookup, useClass: OneAlias }, { provide: ClaimedVersions, useClass: NoVersions }],
  exports: [ClaimedVersions, PduReceiver, RecordingReceiver, RoomAliasLookup],
})
class RoomsStandIn {}

/** A server that has the transport between servers and no rooms. */
@Module({
  imports: [HttpModule, AccountsModule, FederationModule, RoomsStandIn],
  controllers: [KeysController, VersionController, QueryController, TransactionsController],
  providers: [SignedRequests, InboundTransactions],
})
export class TransportModule {}
