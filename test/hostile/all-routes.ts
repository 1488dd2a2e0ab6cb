import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/internal';
import { ModulesContainer } from '@nestjs/core';
import { RequestMethod } from '@nestjs/common';
import { authRuleOf, type AuthRule } from '../../apps/homeserver/src/http/auth.decorator.js';
import type { TestServer } from '../network/test-server.js';

export interface Route {
  readonly method: string;
  /** With `:name` for parameters, `:name(a|b)` for those that are one of a few. */
  readonly path: string;
  readonly auth: AuthRule;
}

/** Every route of a server, as its controllers declare it. */
export function allRoutes(server: TestServer): Route[] {
  const routes: Route[] = [];
  for (const module of server.get(ModulesContainer).values()) {
    for (const { metatype } of module.controllers.values()) {
      const controller = metatype as { prototype: object };
      const bases = [Reflect.getMetadata(PATH_METADATA, controller) as string | string[]].flat();
      for (const name of Object.getOwnPropertyNames(controller.prototype)) {
        const handler = Object.getOwnPropertyDescriptor(controller.prototype, name)?.value as object | undefined;
        if (typeof handler !== 'function' || !Reflect.hasMetadata(METHOD_METADATA, handler)) continue;
        const method = RequestMethod[Reflect.getMetadata(METHOD_METADATA, handler) as number]!;
        const paths = [Reflect.getMetadata(PATH_METADATA, handler) as string | string[]].flat();
        for (const base of bases) for (const path of paths) routes.push({ method, path: joined(base, path), auth: authRuleOf(handler)! });
      }
    }
  }
  return routes;
}

/** Puts values in the place of a route's parameters; of those that are one of a few, the first. */
export function filled(route: Route, value: (name: string) => string): string {
  return route.path.replace(/:([A-Za-z]+)(?:\(([^|)]*)[^)]*\))?/g, (_, name: string, first?: string) => first ?? value(name));
}

function joined(...parts: string[]): string {
  return `/${parts.join('/')}`.replace(/\/+/g, '/').replace(/(.)\/$/, '$1');
}
