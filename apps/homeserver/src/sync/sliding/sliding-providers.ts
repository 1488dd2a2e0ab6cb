import type { Provider } from '@nestjs/common';
import { Connections } from './connections.js';
import { ConnectionsStore } from './connections.store.js';
import { ExtensionAnswers } from './extension-answers.js';
import { RoomActivity } from './room-activity.js';
import { RoomActivityStore } from './room-activity.store.js';
import { RoomAnswers } from './room-answers.js';
import { RoomFactsReader } from './room-facts.js';
import { RoomLists } from './room-list.js';
import { RoomResults } from './room-results.js';
import { SlidingEngine } from './sliding-engine.js';
import { SlidingSyncService } from './sliding-sync.service.js';

/** Sliding sync, as a part of SyncModule: it answers from the same engine. */
export const slidingProviders: Provider[] = [
  ConnectionsStore, Connections, RoomActivityStore, RoomActivity, RoomFactsReader, RoomLists, RoomResults, RoomAnswers, ExtensionAnswers,
  SlidingEngine, SlidingSyncService,
];
