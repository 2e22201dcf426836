// Every route says who may use it (D-08), or nothing is served at all: portal and first setup make their list of routes
// before they answer anyone, and a route without a rule ends the start.
import { defect } from '../../errors.ts';
import type { PortalRouter } from './context.ts';
import { type Guard, guardsOf } from './guards.ts';

export interface DeclaredRoute {
  /** As in HTTP; `UPGRADE` for a WebSocket. */
  readonly method: string;
  /** As it is written in the code: `/s/:code`. */
  readonly path: string;
  /** One of these is enough. */
  readonly rule: readonly Guard[];
}

/** @throws ApplianceError `appliance.defect`, which names the route that has no rule or stands there twice */
export function declaredRoutes(routers: readonly PortalRouter[]): DeclaredRoute[] {
  const routes = routers.flatMap(({ stack }) => stack).flatMap(routesOf);
  const names = routes.map(({ method, path }) => `${method} ${path}`);
  const twice = names.find((name, place) => names.indexOf(name) !== place);
  if (twice !== undefined) throw defect(`the route ${twice} stands there twice: only the first would ever be asked`);
  return routes;
}

function routesOf({ methods, path, stack }: PortalRouter['stack'][number]): DeclaredRoute[] {
  const name = String(path);
  // What a router puts before its routes would answer, or act, before any rule was looked at.
  if (methods.length === 0) throw defect(`${name} is no route: a router holds routes alone`);
  const [first] = stack;
  const rule = first === undefined ? undefined : guardsOf(first);
  if (rule === undefined) throw defect(`the route ${methods.join(' ')} ${name} does not say first who may use it`);
  return methods.filter(method => method !== 'HEAD').map(method => ({ method, path: name, rule }));
}
