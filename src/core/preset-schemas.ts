/** Schemas that are ready to use, by the fields that they have. */
import { create } from "@bufbuild/protobuf";
import {
  type Field,
  Field_Type,
  FieldSchema,
  type Schema,
  Schema_Preset,
  SchemaSchema,
} from "#gen/tributary/management/v1/stream_pb.js";
import { requestFields } from "./request-schema.ts";

type Kind = Exclude<keyof typeof Field_Type, "TYPE_UNSPECIFIED" | "ARRAY" | "MAP" | "STRUCT">;
/** A type; `?` where the value may be null or missing; an array holds the element. */
type Plan = Kind | `${Kind}?` | readonly [Plan] | Plans;
type Plans = { readonly [name: string]: Plan };

const REFERENCE = { id: "LONG", name: "STRING?" } as const;
const DESCRIBED = { id: "LONG", description: "STRING?" } as const;

const FEED_UPDATES: Plans = {
  feed: "STRING",
  new: ["JSON"],
  deleted: ["STRING"],
  deleted_foreign_ids: ["JSON"],
  published_at: "TIMESTAMP",
  type: "STRING?",
  generic: "JSON?",
};
const USAGE_DATA: Plans = {
  id: "LONG",
  start_timestamp: "TIMESTAMP",
  end_timestamp: "TIMESTAMP",
  volume: { total: "DECIMAL", received: "DECIMAL?", sent: "DECIMAL?" },
  unit: "STRING?",
  cost: "DECIMAL?",
  currency: "STRING?",
  traffic_type: DESCRIBED,
  organisation: REFERENCE,
  endpoint: "JSON?",
  tariff: "JSON?",
  operator: "JSON?",
};
const EVENTS: Plans = {
  id: "LONG",
  timestamp: "TIMESTAMP",
  event_type: DESCRIBED,
  event_severity: DESCRIBED,
  event_source: DESCRIBED,
  alert: "BOOLEAN?",
  description: "STRING?",
  organisation: REFERENCE,
  user: "JSON?",
  endpoint: "JSON?",
  detail: "JSON?",
};

/** What a preset that stays with its schema asks beside its fields. */
export const PRESETS_THAT_STAY: ReadonlySet<Schema_Preset> = new Set([
  Schema_Preset.FEED_UPDATES,
  Schema_Preset.USAGE_DATA,
]);

/** A schema with the fields of its preset, where it names one and has none of its own. */
export function expandPreset(schema: Schema): Schema {
  const { preset, changeDataCapture } = schema;
  const fields = schema.fields.length > 0 ? schema.fields : fieldsOf(preset);
  return create(SchemaSchema, {
    fields,
    ...(changeDataCapture && { changeDataCapture }),
    ...(PRESETS_THAT_STAY.has(preset) && { preset }),
  });
}

function fieldsOf(preset: Schema_Preset): Field[] {
  switch (preset) {
    case Schema_Preset.HTTP_REQUEST:
      return requestFields();
    case Schema_Preset.FEED_UPDATES:
      return planFields(FEED_UPDATES);
    case Schema_Preset.USAGE_DATA:
      return planFields(USAGE_DATA);
    case Schema_Preset.EVENTS:
      return planFields(EVENTS);
    default:
      return [];
  }
}

function planFields(plan: Plans): Field[] {
  return Object.entries(plan).map(([name, inner]) => Object.assign(fieldOf(inner), { name }));
}

function fieldOf(plan: Plan): Field {
  if (typeof plan === "string") {
    const type = Field_Type[plan.replace("?", "") as Kind];
    return create(FieldSchema, { type, nullable: plan.endsWith("?") });
  }
  if (Array.isArray(plan)) {
    return create(FieldSchema, { type: Field_Type.ARRAY, element: fieldOf(plan[0] as Plan) });
  }
  const fields = planFields(plan as Plans);
  return create(FieldSchema, { type: Field_Type.STRUCT, fields });
}
