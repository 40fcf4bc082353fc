/** Calls the driver of a sink's kind. */
import type { Sink } from "#gen/tributary/management/v1/sink_pb.js";
import type { FieldViolation } from "../core/errors.ts";
import type {
  CheckContext,
  SinkDriver,
  SinkEnvironment,
  SinkKind,
  TestStageResult,
} from "../sinks/sink.ts";

/** A driver for each kind there is. */
export type SinkDrivers = { readonly [K in SinkKind]: SinkDriver<K> };

type Config = Sink["config"];

/** A test of a destination may take this long in all. */
const TEST_MS = 30_000;

/** The driver of a configuration; undefined when it has no kind. */
export function driverOf(drivers: SinkDrivers, config: Config): SinkDriver<SinkKind> | undefined {
  // The compiler does not see that the case of the driver and of the value are the same one.
  return config.case && (drivers[config.case] as unknown as SinkDriver<SinkKind>);
}

/** Faults of a configuration, by paths below `sink`. */
export function checkConfig(
  drivers: SinkDrivers,
  config: Config,
  context: CheckContext,
): FieldViolation[] {
  const driver = driverOf(drivers, config);
  if (!driver || !config.value) {
    const kinds = Object.keys(drivers).join(", ");
    return [{ field: "sink", description: `name a destination: one of ${kinds}` }];
  }
  return belowConfig(config, driver.check(config.value, context));
}

/** Changes of a saved configuration of the same kind that are not allowed, likewise. */
export function checkChange(drivers: SinkDrivers, config: Config, saved: Config): FieldViolation[] {
  const driver = driverOf(drivers, config);
  if (!driver?.checkChange || !config.value || !saved.value) return [];
  return belowConfig(config, driver.checkChange(config.value, saved.value));
}

function belowConfig(config: Config, violations: readonly FieldViolation[]): FieldViolation[] {
  return violations.map(({ field, description }) => ({
    field: field ? `sink.${config.case}.${field}` : `sink.${config.case}`,
    description,
  }));
}

/** The configuration with the primary key that a mapping names, for kinds that have one. */
export function withKey(
  drivers: SinkDrivers,
  config: Config,
  primaryKey: readonly string[],
): Config {
  const driver = driverOf(drivers, config);
  if (!driver?.withKey || !config.value) return config;
  return { case: config.case, value: driver.withKey(config.value, primaryKey) } as Config;
}

/** The configuration as it may be returned. */
export function maskConfig(drivers: SinkDrivers, config: Config): Config {
  const driver = driverOf(drivers, config);
  if (!driver || !config.value) return config;
  return { case: config.case, value: driver.mask(config.value) } as Config;
}

/** `config` with its empty secrets filled from a saved configuration of the same kind. */
export function keepSecrets(drivers: SinkDrivers, config: Config, saved: Config): Config {
  const driver = driverOf(drivers, config);
  if (!driver || !config.value || !saved.value || saved.case !== config.case) return config;
  return { case: config.case, value: driver.keepSecrets(config.value, saved.value) } as Config;
}

/** Tries a destination for at most 30 s. What a driver throws becomes a stage that failed. */
export async function testConfig(
  driver: SinkDriver<SinkKind>,
  config: Config,
  options: {
    readonly environment: SinkEnvironment;
    readonly prepare: boolean;
    readonly signal: AbortSignal;
  },
): Promise<readonly TestStageResult[]> {
  const { environment, prepare } = options;
  const late = AbortSignal.timeout(TEST_MS);
  const signal = AbortSignal.any([options.signal, late]);
  const start = performance.now();
  const failed = (message: string): TestStageResult[] => [
    { name: "test", isOk: false, message, durationMs: performance.now() - start },
  ];
  const ended = new Promise<TestStageResult[]>((resolve) => {
    const onAbort = () =>
      resolve(failed(late.aborted ? `no answer within ${TEST_MS / 1_000} s` : "given up"));
    signal.addEventListener("abort", onAbort, { once: true });
  });
  const tested = driver
    .test(config.value!, environment, { prepare, signal })
    .catch((error: unknown) => failed(error instanceof Error ? error.message : String(error)));
  return await Promise.race([tested, ended]);
}
