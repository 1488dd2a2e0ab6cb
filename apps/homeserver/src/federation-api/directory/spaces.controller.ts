import { Controller, Get, Param } from '@nestjs/common';
import { z } from 'zod';
import { SpaceAnswers } from '../../directory/spaces/space-answers.js';
import { Auth } from '../../http/auth.decorator.js';
import { OriginServer, QueryParams } from '../../http/param.decorators.js';
import { queryBoolean } from '../../http/query-schemas.js';

const querySchema = z.object({ suggested_only: queryBoolean.default(false) });

/** server-server/space_hierarchy.yaml */
@Controller('/_matrix/federation/v1/hierarchy')
export class FederationSpacesController {
  constructor(private readonly answers: SpaceAnswers) {}

  @Get(':roomId')
  @Auth('server')
  hierarchy(@OriginServer() origin: string, @Param('roomId') roomId: string, @QueryParams(querySchema) query: z.output<typeof querySchema>): Promise<object> {
    return this.answers.of(origin, roomId, query.suggested_only);
  }
}
