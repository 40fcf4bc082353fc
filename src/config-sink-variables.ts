/** Variables of sinks: what they may reach, and who the server is there. */
import { cidrs, dnsServers } from "./config-addresses.ts";
import { empty, flag, noFlag, none, optionalText, path, type Variable } from "./config-readers.ts";

/** In the order of the README. */
export const SINK_VARIABLES = {
  TRIBUTARY_EGRESS_ALLOW: {
    parse: cidrs,
    fallback: empty,
    shown: "none",
    doc: "Private CIDRs that sinks may reach, joined by commas.",
  },
  TRIBUTARY_EGRESS_LOOPBACK: {
    parse: flag,
    fallback: noFlag,
    shown: "1 on loopback with embedded servers",
    doc: "Whether sinks may reach loopback addresses.",
  },
  TRIBUTARY_DNS_SERVERS: {
    parse: dnsServers,
    fallback: empty,
    shown: "the system's",
    doc: "DNS servers for the hosts of sinks and the proof that a host is its owner's: addresses, with a port or without, joined by commas.",
  },
  TRIBUTARY_FILE_SINK_DIR: {
    parse: path,
    fallback: none,
    shown: "<data dir>/files",
    doc: "Root folder of file sinks.",
  },
  TRIBUTARY_ARCHIVE_DIR: {
    parse: path,
    fallback: none,
    shown: "<data dir>/archive",
    doc: "Root folder of archives that have no bucket; every node must see the same one.",
  },
  TRIBUTARY_STAGING_BUCKET: {
    parse: optionalText,
    fallback: none,
    shown: "none",
    doc: "Bucket of S3, or of storage that speaks its protocol, for rows that wait for an import; without one they are in JetStream.",
  },
  TRIBUTARY_STAGING_PREFIX: {
    parse: optionalText,
    fallback: none,
    shown: "staging/",
    doc: "What the names of its objects begin with.",
  },
  TRIBUTARY_STAGING_REGION: {
    parse: optionalText,
    fallback: none,
    shown: "us-east-1",
    doc: "Its region.",
  },
  TRIBUTARY_STAGING_ENDPOINT: {
    parse: optionalText,
    fallback: none,
    shown: "AWS' own",
    doc: "Its address, where it is another; TRIBUTARY_EGRESS_ALLOW holds for it.",
  },
  TRIBUTARY_STAGING_ACCESS_KEY_ID: {
    parse: optionalText,
    fallback: none,
    shown: "none",
    doc: "Access key id that may put, get and delete its objects.",
  },
  TRIBUTARY_STAGING_SECRET_ACCESS_KEY: {
    parse: optionalText,
    fallback: none,
    shown: "none",
    doc: "Secret access key that belongs to it.",
    isSecret: true,
  },
  TRIBUTARY_AWS_ACCESS_KEY_ID: {
    parse: optionalText,
    fallback: none,
    shown: "none",
    doc: "Access key id of the server's own AWS identity, which assumes the roles of sinks.",
  },
  TRIBUTARY_AWS_SECRET_ACCESS_KEY: {
    parse: optionalText,
    fallback: none,
    shown: "none",
    doc: "Secret access key that belongs to it.",
    isSecret: true,
  },
} satisfies Record<string, Variable<unknown>>;
