/** A filter compiled: which records of a sink are delivered. */
import type { Filter } from "#gen/tributary/management/v1/filter_pb.js";
import type { FieldViolation } from "../../core/errors.ts";
import type { PathSet } from "../path-set.ts";
import type { RecordView } from "../record-view.ts";
import { compileCelFilter } from "./cel-filter.ts";
import { compileFieldFilter } from "./field-filter.ts";

/** A filter that is ready to be used. */
export interface CompiledFilter {
  /** Paths that it reads of each record. */
  readonly fields: PathSet;
  /** Whether a record is delivered. The view must be over `fields`. */
  passes(view: RecordView): boolean;
}

/** Compiles a filter; gives all faults at once, by paths below the filter. */
export function compileFilter({ condition }: Filter): CompiledFilter | FieldViolation[] {
  switch (condition.case) {
    case "fields":
      return compileFieldFilter(condition.value);
    case "cel":
      return compileCelFilter(condition.value);
    case undefined:
      return [{ field: "", description: "say which records pass: by fields, or by cel" }];
  }
}
