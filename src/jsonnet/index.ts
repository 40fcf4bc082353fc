/** Jsonnet, compiled once and evaluated within budgets. See README.md. */
export { JsonnetError, type JsonnetErrorKind, type LimitName } from "./errors.ts";
export type {
  HostArgument,
  HostFunction,
  HostFunctions,
  HostRun,
} from "./host-function.ts";
export { DEFAULT_LIMITS, type Limits } from "./limits.ts";
export type { Json } from "./plain.ts";
export {
  createPool,
  type Failure,
  type HostModule,
  type Outcome,
  type Pool,
  PoolBusyError,
  type PoolOptions,
} from "./pool.ts";
export { compileTemplate, type Template, type TemplateOptions } from "./template.ts";
