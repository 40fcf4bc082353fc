/** Migrations as tasks keep them, and as callers see them. */
import { create, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type Migration,
  MigrationReportSchema,
  MigrationSchema,
} from "#gen/tributary/management/v1/migration_pb.js";
import type { TaskRow } from "./task-store.ts";

/** What the task of a migration keeps as its input. */
export interface MigrationInput {
  /** Name and uid of the old sink. */
  readonly source: string;
  readonly sourceUid: string;
  /** Name and uid of the new one, whose definition is sealed beside this. */
  readonly target: string;
  readonly targetUid: string;
  readonly author: string;
}

/** How far a migration is. */
export interface MigrationPosition {
  readonly sequence: number;
  readonly waiting: string;
  /** A MigrationReport as JSON. */
  readonly report?: JsonValue;
}

/** The input of a task of kind MIGRATE. */
export function migrationInputOf({ input }: Pick<TaskRow, "input">): MigrationInput {
  return input as unknown as MigrationInput;
}

/** How far the task of a migration is; undefined before its first step. */
export function migrationPositionOf({
  position,
}: Pick<TaskRow, "position">): MigrationPosition | undefined {
  return (position as unknown as MigrationPosition | null) ?? undefined;
}

/** A migration that was made. */
export function migrationFromRow(row: TaskRow): Migration {
  const { source, target, author } = migrationInputOf(row);
  const position = migrationPositionOf(row);
  return create(MigrationSchema, {
    name: `${source}/migrations/${row.uid}`,
    task: row.name,
    target,
    sequence: BigInt(position?.sequence ?? 0),
    state: row.state,
    waiting: row.endTime ? "" : (position?.waiting ?? ""),
    error: row.error,
    author,
    ...(position?.report && { report: fromJson(MigrationReportSchema, position.report) }),
    createTime: timestampFromDate(row.createTime),
    ...(row.endTime && { endTime: timestampFromDate(row.endTime) }),
  });
}
