import { Module } from '@nestjs/common';
import { AccountsModule } from '../accounts/accounts.module.js';
import { DeviceKeysModule } from '../device-keys/device-keys.module.js';
import { InboundTransactions } from '../federation/inbound/inbound-transactions.js';
import { DirectoryModule } from '../directory/directory.module.js';
import { DeviceKeysController } from './device-keys/device-keys.controller.js';
import { KeysController } from './keys/keys.controller.js';
import { OpenIdUserInfoController } from './openid/openid-userinfo.controller.js';
import { FederationSpacesController } from './directory/spaces.controller.js';
import { FederationPublicRoomsController } from './directory/public-rooms.controller.js';
import { HistoryController } from './rooms/history.controller.js';
import { InvitesController } from './rooms/invites.controller.js';
import { JoinsController } from './rooms/joins.controller.js';
import { KnocksController } from './rooms/knocks.controller.js';
import { ThirdPartyInvitesController } from './rooms/third-party-invites.controller.js';
import { QueryController } from './query/query.controller.js';
import { SignedRequests } from './signed-requests.js';
import { TransactionsController } from './transactions/transactions.controller.js';
import { VersionController } from './version/version.controller.js';

/** The Server-Server API. */
@Module({
  imports: [AccountsModule, DeviceKeysModule, DirectoryModule],
  controllers: [DeviceKeysController, KeysController, VersionController, QueryController, TransactionsController, JoinsController, KnocksController, ThirdPartyInvitesController, InvitesController, HistoryController, OpenIdUserInfoController, FederationPublicRoomsController, FederationSpacesController],
  providers: [SignedRequests, InboundTransactions],
})
export class FederationApiModule {}
