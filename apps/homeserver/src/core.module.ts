import { Global, Module, type DynamicModule } from '@nestjs/common';
import { Bus } from './bus/bus.js';
import { InProcessBus } from './bus/in-process-bus.js';
import { Config } from './config/config.js';
import { NameResolver } from './federation/outgoing/name-resolver.js';
import { Clock } from './observability/clock.js';
import { Log } from './observability/log.js';
import { Random } from './observability/random.js';
import { Stopping } from './observability/stopping.js';
import { Database } from './storage/database.js';
import { DatabaseEpoch } from './storage/database-epoch.js';
import { DatabaseHealth } from './storage/database-health.js';
import { RestoreTasks } from './storage/restore-tasks.js';
import { StreamPositions } from './storage/stream-positions.js';

/** What every part of a server may inject, and what a server is made with. */
export interface Core {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly stopping: Stopping;
  readonly database: Database;
  readonly health: DatabaseHealth;
  readonly resolver: NameResolver;
}

/** The injectables without a domain. The database is open and migrated before any module is made. */
@Global()
@Module({})
export class CoreModule {
  static with(core: Core): DynamicModule {
    return {
      module: CoreModule,
      providers: [
        { provide: Config, useValue: core.config },
        { provide: Clock, useValue: core.clock },
        { provide: Random, useValue: core.random },
        { provide: Log, useValue: core.log },
        { provide: Stopping, useValue: core.stopping },
        { provide: Database, useValue: core.database },
        { provide: DatabaseHealth, useValue: core.health },
        { provide: NameResolver, useValue: core.resolver },
        { provide: Bus, useClass: InProcessBus },
        {
          provide: DatabaseEpoch,
          useFactory: () => DatabaseEpoch.open(
            { db: core.database, clock: core.clock, random: core.random, log: core.log },
            { data: core.config.dataDir, database: core.config.databaseFolder },
          ),
        },
        { provide: StreamPositions, inject: [DatabaseEpoch], useFactory: (epoch: DatabaseEpoch) => epoch.positions },
        RestoreTasks,
      ],
      exports: [Config, Clock, Random, Log, Stopping, Database, DatabaseHealth, NameResolver, Bus, DatabaseEpoch, RestoreTasks, StreamPositions],
    };
  }
}
