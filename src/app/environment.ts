/** What drivers of sinks are given by the process. */
import { createBodyTemplates } from "../mapping/body-template.ts";
import type { Foundations } from "./foundations.ts";
import { tryStagingObjects } from "./staging-objects.ts";

/** What every sink's driver is given, for tests of destinations as for delivery. */
export function environmentOf({
  config,
  embedded,
  logger,
  feed,
  templates,
}: Pick<Foundations, "config" | "embedded" | "logger" | "feed" | "templates">) {
  const environment = {
    logger,
    embeddedDatabaseUrl: embedded?.postgres?.sinkDatabaseUrl,
    isLoopbackAllowed: config.isLoopbackEgressAllowed,
    egressAllowList: config.TRIBUTARY_EGRESS_ALLOW,
    dnsServers: config.TRIBUTARY_DNS_SERVERS,
    fileSinkDir: config.fileSinkDir,
    feed,
    templates: createBodyTemplates(templates),
    awsIdentity: config.awsIdentity,
  };
  if (config.TRIBUTARY_STAGING_BUCKET === undefined) return environment;
  const tryStagingBucket = () => tryStagingObjects({ config, environment });
  return { ...environment, tryStagingBucket };
}
