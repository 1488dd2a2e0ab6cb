import { Controller, Param, Put } from '@nestjs/common';
import { z } from 'zod';
import { Auth } from '../../http/auth.decorator.js';
import { JsonBody, OriginServer } from '../../http/param.decorators.js';
import { RawJson } from '../../http/raw-json.js';
import { InviteReceiver } from '../../rooms/remote/invite-receiver.js';

const inviteV2 = z.looseObject({ event: z.unknown(), room_version: z.string().max(32), invite_room_state: z.array(z.unknown()).nullish() });
/** Version 1 sends the bare event, of a room of version 1 or 2 unless it says otherwise in its unsigned part. */
const inviteV1 = z.looseObject({ unsigned: z.looseObject({ invite_room_state: z.array(z.unknown()).nullish() }).nullish() });

/** server-server/{invites-v1,invites-v2}.yaml */
@Controller('/_matrix/federation')
export class InvitesController {
  constructor(private readonly receiver: InviteReceiver) {}

  @Put('v2/invite/:roomId/:eventId')
  @Auth('server')
  async invite(
    @OriginServer() origin: string, @Param('roomId') roomId: string, @Param('eventId') eventId: string,
    @JsonBody(inviteV2) body: z.output<typeof inviteV2>,
  ): Promise<RawJson> {
    const event = await this.receiver.receive(origin, {
      roomId, eventId, roomVersion: body.room_version, event: body.event, inviteRoomState: body.invite_room_state ?? [],
    });
    return new RawJson(`{"event":${event.json}}`);
  }

  @Put('v1/invite/:roomId/:eventId')
  @Auth('server')
  async inviteV1(
    @OriginServer() origin: string, @Param('roomId') roomId: string, @Param('eventId') eventId: string,
    @JsonBody(inviteV1) body: z.output<typeof inviteV1>,
  ): Promise<RawJson> {
    const event = await this.receiver.receive(origin, {
      roomId, eventId, roomVersion: '1', event: body, inviteRoomState: body.unsigned?.invite_room_state ?? [],
    });
    return new RawJson(`[200,{"event":${event.json}}]`);
  }
}
