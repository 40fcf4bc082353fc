import { clone } from "@bufbuild/protobuf";
import { type NatsSink, NatsSinkSchema } from "#gen/tributary/management/v1/sink_pb.js";
import type { Schema } from "#gen/tributary/management/v1/stream_pb.js";
import type { FieldViolation } from "../../core/errors.ts";
import { isCertificate } from "../certificate.ts";
import type { SinkDriver } from "../sink.ts";
import { openNats } from "./open-sink.ts";
import { testNats } from "./probe.ts";
import { parseServer } from "./server-address.ts";
import { nameFault, parseSubject } from "./subject.ts";

/** Messages on subjects, each confirmed by a stream of JetStream; at least once, in the order of keys. */
export const natsDriver: SinkDriver<"nats"> = {
  defaults: { count: 1000, bytes: 1024 * 1024, timeMs: 0 },
  countMax: 10_000,
  keepsCursor: false,
  concurrency: 2,
  check,
  open: openNats,
  test: testNats,
  mask(config) {
    const copy = clone(NatsSinkSchema, config);
    const { credentials } = copy;
    if (credentials.case === "user") credentials.value.password = "";
    else if (credentials.case) credentials.value = "";
    return copy;
  },
  keepSecrets,
};

function check(config: NatsSink, { schema }: { readonly schema: Schema }): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const add = (field: string, description: string) => violations.push({ field, description });
  if (config.servers.length === 0) add("servers", "is missing: name a server, nats://host:4222");
  config.servers.forEach((server, i) => {
    const parsed = parseServer(server);
    if (typeof parsed === "string") add(`servers[${i}]`, parsed);
  });
  const template = parseSubject(config.subject);
  const fault = typeof template === "string" ? template : nameFault(template, schema);
  if (fault) add("subject", fault);
  const { certificateAuthority: ca } = config;
  if (ca !== "" && !isCertificate(ca)) {
    add("certificate_authority", "is not a certificate in PEM");
  }
  const { credentials } = config;
  const saved = "is missing (a saved one is kept only for the same servers)";
  switch (credentials.case) {
    case "token":
      if (credentials.value === "") add("token", saved);
      break;
    case "user":
      if (credentials.value.password === "") add("user.password", saved);
      break;
    case "nkeySeed":
      if (!/^S[A-Z2-7]{57}$/.test(credentials.value)) {
        add("nkey_seed", credentials.value === "" ? saved : "is no seed of an NKey, SU…");
      }
      break;
    case "credentialsFile":
      if (!/BEGIN NATS USER JWT/.test(credentials.value)) {
        add("credentials_file", credentials.value === "" ? saved : "is no NATS credentials file");
      }
      break;
  }
  return violations;
}

/** A secret travels to the same servers only, and to the same user. */
function keepSecrets(config: NatsSink, saved: NatsSink): NatsSink {
  const copy = clone(NatsSinkSchema, config);
  if (config.servers.join(" ") !== saved.servers.join(" ")) return copy;
  const [wanted, old] = [copy.credentials, saved.credentials];
  if (wanted.case === "user" && old.case === "user") {
    if (wanted.value.user === old.value.user) wanted.value.password ||= old.value.password;
  } else if (wanted.case && wanted.case === old.case && wanted.case !== "user") {
    wanted.value ||= old.value as string;
  }
  return copy;
}
