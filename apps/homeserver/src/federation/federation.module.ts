import { join } from 'node:path';
import { Global, Module } from '@nestjs/common';
import { Config } from '../config/config.js';
import { Clock } from '../observability/clock.js';
import { Random } from '../observability/random.js';
import { RemoteProfiles } from '../accounts/remote-profiles.js';
import { EduHandlers } from './edu-handlers.js';
import { FederatedProfiles } from './federated-profiles.js';
import { FederationClient } from './federation-client.js';
import { AnswerTurns } from './inbound/answer-turns.js';
import { RequestVerifier } from './inbound/request-verifier.js';
import { KeyRing } from './keys/key-ring.js';
import { KeyStore } from './keys/key.store.js';
import { Notary } from './keys/notary.js';
import { ServerKeys } from './keys/server-keys.js';
import { readSigningKeyFile } from './keys/signing-key-file.js';
import { EduOutbox } from './outbox/edu-outbox.js';
import { MissedStore } from './outbox/missed.store.js';
import { Outbox } from './outbox/outbox.js';
import { OutboxStore } from './outbox/outbox.store.js';
import { PduOutbox } from './outbox/pdu-outbox.js';
import { AddressGuard } from './outgoing/address-guard.js';
import { Destinations } from './outgoing/destinations.js';
import { HttpsTransport } from './outgoing/https-transport.js';
import { ServerDiscovery } from './outgoing/server-discovery.js';
import { ServerRequests } from './outgoing/server-requests.js';
import { WebRequests } from './outgoing/web-requests.js';

/**
 * Transport between servers: keys, signed requests in both directions, outgoing queues. Global because nearly every domain
 * folder sends or takes something. What is in the traffic is the business of the folders above; PduReceiver comes from the rooms.
 */
@Global()
@Module({
  providers: [
    {
      provide: ServerKeys,
      inject: [Config, Clock, Random],
      useFactory: async (config: Config, clock: Clock, random: Random) =>
        new ServerKeys(config, clock, await readSigningKeyFile(join(config.dataDir, 'signing.key'), random)),
    },
    { provide: RemoteProfiles, useClass: FederatedProfiles },
    AddressGuard, HttpsTransport, WebRequests, ServerDiscovery, ServerRequests, Destinations,
    KeyStore, KeyRing, Notary, FederationClient, RequestVerifier, AnswerTurns, EduHandlers,
    OutboxStore, MissedStore, Outbox, PduOutbox, EduOutbox,
  ],
  exports: [
    ServerKeys, KeyRing, Notary, FederationClient, RequestVerifier, AnswerTurns, EduHandlers, PduOutbox, EduOutbox, Destinations,
    RemoteProfiles, AddressGuard, HttpsTransport, WebRequests, ServerRequests,
  ],
})
export class FederationModule {}
