import { Controller, Delete, Get, Param, Post, Put } from '@nestjs/common';
import { z } from 'zod';
import type { Requester } from '../../accounts/requester.js';
import { boundedJson } from '../../accounts/bounded-json.js';
import { type BackedUpKey, keyJson, keySchema, opaque, readKey } from '../../device-keys/backup/backed-up-key.js';
import type { KeyBackup } from '../../device-keys/backup/key-backup.entity.js';
import { KeyBackupStore } from '../../device-keys/backup/key-backup.store.js';
import { type BackupContent, KeyBackups } from '../../device-keys/backup/key-backups.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody, QueryParams } from '../../http/param.decorators.js';
import { text } from '../../http/query-schemas.js';
import { RawJson } from '../../http/raw-json.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';

const MAX_AUTH_BYTES = 64 * 1024;
const id = text(255);

const versionQuery = z.object({ version: id });
type VersionQuery = z.output<typeof versionQuery>;
const backupSchema = z.object({ algorithm: id, auth_data: opaque, version: id.optional() });
type BackupBody = z.output<typeof backupSchema>;
const roomSchema = z.object({ sessions: z.record(id, keySchema) });
const roomsSchema = z.object({ rooms: z.record(id, roomSchema) });

/** client-server/key_backup.yaml */
@Controller('/_matrix/client/v3/room_keys')
export class KeyBackupController {
  constructor(
    private readonly backups: KeyBackups,
    private readonly store: KeyBackupStore,
  ) {}

  @Post('version')
  @Auth('user')
  @RateLimit('login')
  async create(@CurrentUser() requester: Requester, @JsonBody(backupSchema) body: BackupBody): Promise<object> {
    return { version: await this.backups.create(requester.userId, contentOf(body)) };
  }

  @Get('version')
  @Auth('user')
  async current(@CurrentUser() requester: Requester): Promise<RawJson> {
    const backup = await this.backups.current(requester.userId);
    if (!backup) throw MatrixError.notFound('There is no backup');
    return backupText(backup);
  }

  @Get('version/:version')
  @Auth('user')
  async get(@CurrentUser() requester: Requester, @Param('version') version: string): Promise<RawJson> {
    return backupText(await this.backups.get(requester.userId, version));
  }

  @Put('version/:version')
  @Auth('user')
  @RateLimit('account-data')
  async update(@CurrentUser() requester: Requester, @Param('version') version: string, @JsonBody(backupSchema) body: BackupBody): Promise<object> {
    if (body.version !== undefined && body.version !== version) throw MatrixError.invalidParam('The version of the body is another one');
    await this.backups.update(requester.userId, version, contentOf(body));
    return {};
  }

  @Delete('version/:version')
  @Auth('user')
  async delete(@CurrentUser() requester: Requester, @Param('version') version: string): Promise<object> {
    await this.backups.delete(requester.userId, version);
    return {};
  }

  @Put('keys')
  @Auth('user')
  @RateLimit('account-data')
  put(@CurrentUser() requester: Requester, @QueryParams(versionQuery) { version }: VersionQuery, @JsonBody(roomsSchema) body: z.output<typeof roomsSchema>): Promise<object> {
    return this.backups.put(requester.userId, version, Object.entries(body.rooms).flatMap(([roomId, room]) => keysOf(version, roomId, room)));
  }

  @Put('keys/:roomId')
  @Auth('user')
  @RateLimit('account-data')
  putRoom(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @QueryParams(versionQuery) { version }: VersionQuery,
    @JsonBody(roomSchema) body: z.output<typeof roomSchema>,
  ): Promise<object> {
    return this.backups.put(requester.userId, version, keysOf(version, roomId, body));
  }

  @Put('keys/:roomId/:sessionId')
  @Auth('user')
  @RateLimit('account-data')
  putOne(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @Param('sessionId') sessionId: string, @QueryParams(versionQuery) { version }: VersionQuery,
    @JsonBody(keySchema) body: z.output<typeof keySchema>,
  ): Promise<object> {
    return this.backups.put(requester.userId, version, [readKey({ version, roomId, sessionId }, body)]);
  }

  @Get('keys')
  @Auth('user')
  @RateLimit('whole-sync')
  async all(@CurrentUser() requester: Requester, @QueryParams(versionQuery) { version }: VersionQuery): Promise<RawJson> {
    await this.backups.get(requester.userId, version);
    const rooms = new Map<string, string[]>();
    for await (const keys of this.store.all(requester.userId, version)) {
      for (const key of keys) {
        const held = rooms.get(key.roomId);
        if (held) held.push(sessionText(key));
        else rooms.set(key.roomId, [sessionText(key)]);
      }
    }
    return new RawJson(`{"rooms":{${[...rooms].map(([roomId, sessions]) => `${JSON.stringify(roomId)}:{"sessions":{${sessions.join(',')}}}`).join(',')}}}`);
  }

  @Get('keys/:roomId')
  @Auth('user')
  async ofRoom(@CurrentUser() requester: Requester, @Param('roomId') roomId: string, @QueryParams(versionQuery) { version }: VersionQuery): Promise<RawJson> {
    await this.backups.get(requester.userId, version);
    return new RawJson(`{"sessions":{${(await this.store.ofRoom(requester.userId, version, roomId)).map(sessionText).join(',')}}}`);
  }

  @Get('keys/:roomId/:sessionId')
  @Auth('user')
  async one(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @Param('sessionId') sessionId: string, @QueryParams(versionQuery) { version }: VersionQuery,
  ): Promise<RawJson> {
    await this.backups.get(requester.userId, version);
    const key = await this.store.one(requester.userId, version, roomId, sessionId);
    if (!key) throw MatrixError.notFound('There is no such key in the backup');
    return new RawJson(keyJson(key));
  }

  @Delete('keys')
  @Auth('user')
  deleteAll(@CurrentUser() requester: Requester, @QueryParams(versionQuery) { version }: VersionQuery): Promise<object> {
    return this.backups.deleteKeys(requester.userId, version, {});
  }

  @Delete('keys/:roomId')
  @Auth('user')
  deleteRoom(@CurrentUser() requester: Requester, @Param('roomId') roomId: string, @QueryParams(versionQuery) { version }: VersionQuery): Promise<object> {
    return this.backups.deleteKeys(requester.userId, version, { roomId });
  }

  @Delete('keys/:roomId/:sessionId')
  @Auth('user')
  deleteOne(
    @CurrentUser() requester: Requester, @Param('roomId') roomId: string, @Param('sessionId') sessionId: string, @QueryParams(versionQuery) { version }: VersionQuery,
  ): Promise<object> {
    return this.backups.deleteKeys(requester.userId, version, { roomId, sessionId });
  }
}

function contentOf({ algorithm, auth_data: authData }: BackupBody): BackupContent {
  return { algorithm, authData: boundedJson(authData, MAX_AUTH_BYTES, 'auth_data') };
}

function keysOf(version: string, roomId: string, { sessions }: z.output<typeof roomSchema>): BackedUpKey[] {
  return Object.entries(sessions).map(([sessionId, key]) => readKey({ version, roomId, sessionId }, key));
}

function sessionText(key: BackedUpKey): string {
  return `${JSON.stringify(key.sessionId)}:${keyJson(key)}`;
}

function backupText({ algorithm, authData, keys, etag, version }: KeyBackup): RawJson {
  return new RawJson(`{"algorithm":${JSON.stringify(algorithm)},"auth_data":${authData},"count":${keys},"etag":"${etag}","version":${JSON.stringify(version)}}`);
}
