import { Controller, Delete, Get, Param, Put, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ruleNotFound } from '../../account-data/push-rules/change-push-rules.js';
import type { PushRule } from '../../account-data/push-rules/push-rule.js';
import { PushRules } from '../../account-data/push-rules/push-rules.js';
import type { Requester } from '../../accounts/requester.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody, QueryParams } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import {
  actionsSchema, checkScope, enabledSchema, placeSchema, type RuleBody, ruleSchema, validKind, validNewRuleId,
} from './push-rules.schema.js';

const anyBody = z.looseObject({});

/** Client-api "push rules: API". */
@Controller('/_matrix/client/v3/pushrules')
export class PushRulesController {
  constructor(private readonly rules: PushRules) {}

  /** The slash at the end belongs to the path: without it there is nothing, which clients of other servers rely on (SyTest). */
  @Get()
  @Auth('user')
  async all(@CurrentUser() requester: Requester, @Req() request: FastifyRequest): Promise<object> {
    if (!endsWithSlash(request)) throw MatrixError.unrecognized();
    return { global: await this.rules.of(requester.userId) };
  }

  @Get(':scope')
  @Auth('user')
  async ofScope(@CurrentUser() requester: Requester, @Param('scope') scope: string, @Req() request: FastifyRequest): Promise<object> {
    checkScope(scope);
    checkSlash(request);
    return this.rules.of(requester.userId);
  }

  @Get(':scope/:kind')
  @Auth('user')
  async ofKind(
    @CurrentUser() requester: Requester, @Param('scope') scope: string, @Param('kind') kind: string, @Req() request: FastifyRequest,
  ): Promise<object> {
    checkScope(scope);
    checkSlash(request);
    return (await this.rules.of(requester.userId))[validKind(kind)];
  }

  @Get(':scope/:kind/:ruleId')
  @Auth('user')
  async get(
    @CurrentUser() requester: Requester, @Param('scope') scope: string, @Param('kind') kind: string, @Param('ruleId') ruleId: string,
  ): Promise<object> {
    return this.#find(requester, scope, kind, ruleId);
  }

  @Get(':scope/:kind/:ruleId/:attribute')
  @Auth('user')
  async getAttribute(
    @CurrentUser() requester: Requester,
    @Param('scope') scope: string,
    @Param('kind') kind: string,
    @Param('ruleId') ruleId: string,
    @Param('attribute') attribute: string,
  ): Promise<object> {
    const rule = await this.#find(requester, scope, kind, ruleId);
    if (attribute === 'enabled') return { enabled: rule.enabled };
    if (attribute === 'actions') return { actions: rule.actions };
    throw MatrixError.invalidParam('Push rules have no such attribute');
  }

  /** Names that are too short for a rule, which are wrong requests and not unknown ones. */
  @Put(['/', ':scope', ':scope/:kind', ':scope/:kind/:ruleId/:attribute'])
  @Auth('user')
  refusePut(@JsonBody(anyBody) _body: unknown): never {
    throw MatrixError.invalidParam('This names no push rule, and nothing of one that can be set');
  }

  @Put(':scope/:kind/:ruleId')
  @Auth('user')
  @RateLimit('account-data')
  async put(
    @CurrentUser() requester: Requester,
    @Param('scope') scope: string,
    @Param('kind') kindName: string,
    @Param('ruleId') ruleId: string,
    @QueryParams(placeSchema) place: z.output<typeof placeSchema>,
    @JsonBody(ruleSchema) body: RuleBody,
  ): Promise<object> {
    checkScope(scope);
    const kind = validKind(kindName);
    const { actions, conditions, pattern } = body;
    if (kind === 'content' && pattern === undefined) throw MatrixError.missingParam('Missing pattern');
    const hasConditions = kind === 'override' || kind === 'underride';
    const definition = {
      rule_id: validNewRuleId(ruleId),
      actions,
      ...(hasConditions && { conditions: conditions ?? [] }),
      ...(kind === 'content' && { pattern }),
    };
    await this.rules.put(requester.userId, kind, definition, place);
    return {};
  }

  @Put(':scope/:kind/:ruleId/enabled')
  @Auth('user')
  @RateLimit('account-data')
  async setEnabled(
    @CurrentUser() requester: Requester,
    @Param('scope') scope: string,
    @Param('kind') kind: string,
    @Param('ruleId') ruleId: string,
    @JsonBody(enabledSchema) body: z.output<typeof enabledSchema>,
  ): Promise<object> {
    checkScope(scope);
    await this.rules.setEnabled(requester.userId, validKind(kind), ruleId, body.enabled);
    return {};
  }

  @Put(':scope/:kind/:ruleId/actions')
  @Auth('user')
  @RateLimit('account-data')
  async setActions(
    @CurrentUser() requester: Requester,
    @Param('scope') scope: string,
    @Param('kind') kind: string,
    @Param('ruleId') ruleId: string,
    @JsonBody(actionsSchema) body: z.output<typeof actionsSchema>,
  ): Promise<object> {
    checkScope(scope);
    await this.rules.setActions(requester.userId, validKind(kind), ruleId, body.actions);
    return {};
  }

  @Delete(':scope/:kind/:ruleId')
  @Auth('user')
  @RateLimit('account-data')
  async delete(
    @CurrentUser() requester: Requester, @Param('scope') scope: string, @Param('kind') kind: string, @Param('ruleId') ruleId: string,
  ): Promise<object> {
    checkScope(scope);
    await this.rules.delete(requester.userId, validKind(kind), ruleId);
    return {};
  }

  async #find(requester: Requester, scope: string, kind: string, ruleId: string): Promise<PushRule> {
    checkScope(scope);
    const rules: Partial<Record<string, readonly PushRule[]>> = await this.rules.of(requester.userId);
    // Clients ask whether there are kinds that only newer servers have.
    const rule = (Object.hasOwn(rules, kind) ? rules[kind]! : []).find((candidate) => candidate.rule_id === ruleId);
    if (!rule) throw ruleNotFound();
    return rule;
  }
}

/** Whether the path ends with the slash that the specification writes, and that the router passes over. */
function endsWithSlash({ url }: FastifyRequest): boolean {
  return /\/(?:\?|$)/.test(url);
}

/** @throws MatrixError 400 M_INVALID_PARAM */
function checkSlash(request: FastifyRequest): void {
  if (!endsWithSlash(request)) throw MatrixError.invalidParam('This names no push rule; a list of them ends with a slash');
}
