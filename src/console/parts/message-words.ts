/** What the protos say of a field, for its label and hint. */
import type { DescField, DescMethod, DescService } from "@bufbuild/protobuf";
import comments from "#gen/comments.json" with { type: "json" };

const texts: Readonly<Record<string, string>> = comments;

/** The comment of a field, its line breaks undone; empty when there is none. */
export function commentOf(field: DescField): string {
  return textOf(`${field.parent.typeName}.${field.name}`);
}

/** The comment of an rpc. */
export function commentOfMethod(method: DescMethod): string {
  return textOf(`${method.parent.typeName}.${method.name}`);
}

/** The comment of a service. */
export function commentOfService(service: DescService): string {
  return textOf(service.typeName);
}

function textOf(name: string): string {
  return (texts[name] ?? "").replace(/\n/g, " ").replaceAll("`", "");
}

/** Whether the server alone sets the field. */
export function isOutputOnly(field: DescField): boolean {
  return /\bOutput only\b/.test(commentOf(field));
}

/** The name of a field, an enum's value or a kind as words. */
export function wordsOf(name: string): string {
  const text = name.replaceAll("_", " ").toLowerCase();
  const spelled = text.replace(/\b(url|id|http|cel|sqs|nats)\b/g, (word) => word.toUpperCase());
  return spelled.slice(0, 1).toUpperCase() + spelled.slice(1);
}
