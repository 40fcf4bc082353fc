import { clone } from "@bufbuild/protobuf";
import { type KafkaSink, KafkaSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { FieldViolation } from "../../core/errors.ts";
import { isCertificate } from "../certificate.ts";
import type { SinkDriver } from "../sink.ts";
import { parseBroker } from "./broker-address.ts";
import { openKafka } from "./open-sink.ts";
import { testKafka } from "./probe.ts";

/** Messages of a Kafka topic, in the order of keys; at least once. */
export const kafkaDriver: SinkDriver<"kafka"> = {
  defaults: { count: 1000, bytes: 1024 * 1024, timeMs: 0 },
  countMax: 10_000,
  keepsCursor: false,
  // A producer keeps the order of what it sends one after the other.
  concurrency: 1,
  check,
  open: openKafka,
  test: testKafka,
  mask(config) {
    const copy = clone(KafkaSinkSchema, config);
    if (copy.login) copy.login.password = "";
    return copy;
  },
  keepSecrets(config, saved) {
    const copy = clone(KafkaSinkSchema, config);
    const isSame =
      config.brokers.join(" ") === saved.brokers.join(" ") &&
      config.login?.user === saved.login?.user &&
      // A saved password is not sent where it could be read.
      (config.tls || !saved.tls);
    if (copy.login && isSame) copy.login.password ||= saved.login?.password ?? "";
    return copy;
  },
};

function check(config: KafkaSink): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const add = (field: string, description: string) => violations.push({ field, description });
  if (config.brokers.length === 0) add("brokers", "is missing: name a broker, host:9092");
  config.brokers.forEach((broker, i) => {
    const parsed = parseBroker(broker);
    if (typeof parsed === "string") add(`brokers[${i}]`, parsed);
  });
  const { topic, login, certificateAuthority: ca } = config;
  if (!/^[\w.-]{1,249}$/.test(topic) || /^\.{1,2}$/.test(topic)) {
    add("topic", "must be 1 to 249 letters, digits, '.', '_' or '-'");
  }
  if (topic.startsWith("__")) add("topic", "must not be one of Kafka's own, which begin with __");
  if (login?.password === "") {
    add("login.password", "is missing (a saved one is kept only for the same brokers and user)");
  }
  if (ca !== "" && !config.tls) add("certificate_authority", "needs tls");
  else if (ca !== "" && !isCertificate(ca)) {
    add("certificate_authority", "is not a certificate in PEM");
  }
  return violations;
}
