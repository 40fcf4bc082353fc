/** Plain HTTP routes beside the generated ones. */
import type { Call } from "../core/call.ts";
import {
  type AnyRequest,
  type AnyResponse,
  type HttpHandler,
  type HttpRequest,
  pathOf,
} from "./http-message.ts";

/** A route of one path, or of the paths that a claim accepts. */
export interface Route {
  readonly methods: readonly string[];
  /** Exact path, or whether a path is this route's. Paths come as they were sent, not decoded. */
  readonly path: string | ((path: string) => boolean);
  /** Answers; what it throws is answered as a JSON error. */
  readonly handle: HttpHandler;
}

/**
 * A handler of its own kind in front of everything else, such as the push lane. Returns undefined
 * at once, without touching request or response, when the request is not its own.
 */
export type Lane = (
  request: AnyRequest,
  response: AnyResponse,
  call: Call,
) => Promise<void> | undefined;

/** What serves a request, or which methods its path would take; neither for an unknown path. */
export interface Found<T> {
  readonly match?: T;
  readonly allowed: readonly string[];
}

/** Finds the route of a request. */
export function findRoute(routes: readonly Route[], request: HttpRequest): Found<Route> {
  const path = pathOf(request);
  const here = routes.filter((route) =>
    typeof route.path === "string" ? route.path === path : route.path(path),
  );
  const match = here.find((route) => route.methods.includes(request.method ?? ""));
  return match ? { match, allowed: [] } : { allowed: here.flatMap((route) => route.methods) };
}
