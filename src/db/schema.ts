/**
 * The tables of the control plane, as drizzle sees them. The truth is in migrations/*.sql; a test
 * compares the two. Names are stored whole (`projects/{p}/streams/{s}`) because ids never change.
 * `version` grows with every change of a row that callers or the data plane can see: etags come from
 * it, and triggers write to `changes` when it moved.
 */
export * from "./application-tables.ts";
export * from "./archive-tables.ts";
export * from "./deleted-tables.ts";
export * from "./external-identity-table.ts";
export * from "./installation-tables.ts";
export * from "./mail-table.ts";
export * from "./ownership-table.ts";
export * from "./person-tables.ts";
export * from "./project-table.ts";
export * from "./sink-tables.ts";
export * from "./source-tables.ts";
export * from "./stream-tables.ts";
export * from "./token-tables.ts";
export * from "./version-table.ts";
export * from "./watch-tables.ts";
