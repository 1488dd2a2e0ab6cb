import { Module } from '@nestjs/common';
import { RoomsModule } from '../rooms/rooms.module.js';
import { Listings } from './listings.js';
import { RemoteDirectory } from './remote-directory.js';
import { RoomDirectory } from './room-directory.js';

/** Which rooms there are, for those who look for some. */
@Module({ imports: [RoomsModule], providers: [Listings, RemoteDirectory, RoomDirectory], exports: [RemoteDirectory, RoomDirectory] })
export class DirectoryModule {}
