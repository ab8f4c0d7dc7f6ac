import { RequestMethod } from '@nestjs/common';
import { expect, it } from 'vitest';
import { AppModule, type HttpParts } from './app.module.js';
import { calls } from './openapi/paths.js';

/** `get /v1/runs/{id}` for every handler of every controller, as the decorators say. */
function routes(): string[] {
  const controllers = (AppModule.of({} as HttpParts).controllers ?? []) as (abstract new () => object)[];
  return controllers.flatMap((controller) => {
    const prefix = Reflect.getMetadata('path', controller) as string;
    const prototype = controller.prototype as Record<string, object>;
    return Object.getOwnPropertyNames(prototype).flatMap((name) => {
      const handler = name === 'constructor' ? undefined : prototype[name];
      const path = handler === undefined ? undefined : (Reflect.getMetadata('path', handler) as string | undefined);
      if (handler === undefined || path === undefined) return [];
      const method = RequestMethod[Reflect.getMetadata('method', handler) as number]?.toLowerCase();
      const whole = [prefix, path]
        .map((part) => part.replaceAll(/^\/|\/$/g, ''))
        .filter((part) => part !== '')
        .join('/');
      return [`${method} /${whole.replaceAll(/:(\w+)/g, '{$1}')}`];
    });
  });
}

it('serves exactly the calls that the OpenAPI document describes', () => {
  const described = calls.map(({ method, path }) => `${method} ${path}`);
  // A HEAD is what its GET is, without the body, and is not described anew.
  const [heads, others] = [routes().filter(isHead), routes().filter((route) => !isHead(route))];
  expect(others.toSorted()).toEqual(described.toSorted());
  for (const head of heads) expect(described).toContain(head.replace('head', 'get'));
});

const isHead = (route: string): boolean => route.startsWith('head ');
