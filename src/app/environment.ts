/** What drivers of sinks are given by the process. */
import type { Foundations } from "./foundations.ts";

/** What every sink's driver is given, for tests of destinations as for delivery. */
export function environmentOf({
  config,
  embedded,
  logger,
  feed,
}: Pick<Foundations, "config" | "embedded" | "logger" | "feed">) {
  return {
    logger,
    embeddedDatabaseUrl: embedded?.postgres?.sinkDatabaseUrl,
    isLoopbackAllowed: config.isLoopbackEgressAllowed,
    egressAllowList: config.TRIBUTARY_EGRESS_ALLOW,
    dnsServers: config.TRIBUTARY_DNS_SERVERS,
    fileSinkDir: config.fileSinkDir,
    feed,
    awsIdentity: config.awsIdentity,
  };
}
