/**
 * The syntax tree. Sugar is gone: methods are functions, `a.b` is `a["b"]`, `a {…}` is `a + {…}`.
 * `at` is the offset of the expression's first character, or of its operator.
 */

/** An expression. */
export type Node =
  | { readonly kind: "literal"; readonly at: number; readonly value: Literal }
  | { readonly kind: "variable"; readonly at: number; readonly name: string }
  | { readonly kind: "self" | "dollar"; readonly at: number }
  | { readonly kind: "array"; readonly at: number; readonly items: readonly Node[] }
  | {
      readonly kind: "arrayComprehension";
      readonly at: number;
      readonly body: Node;
      readonly specs: readonly Spec[];
    }
  | ObjectNode
  | ObjectComprehensionNode
  | { readonly kind: "index"; readonly at: number; readonly target: Node; readonly index: Node }
  | SliceNode
  | { readonly kind: "superIndex"; readonly at: number; readonly index: Node }
  | { readonly kind: "inSuper"; readonly at: number; readonly index: Node }
  | ApplyNode
  | BinaryNode
  | {
      readonly kind: "unary";
      readonly at: number;
      readonly operator: string;
      readonly operand: Node;
    }
  | ConditionalNode
  | {
      readonly kind: "local";
      readonly at: number;
      readonly binds: readonly Bind[];
      readonly body: Node;
    }
  | FunctionNode
  | { readonly kind: "error"; readonly at: number; readonly message: Node }
  | AssertNode;

/** Values that are written in the source. */
export type Literal = null | boolean | number | string;

/** Kinds of nodes by name: `NodeOf<"binary">`. */
export type NodeOf<Kind extends Node["kind"]> = Extract<Node, { kind: Kind }>;

interface SliceNode {
  readonly kind: "slice";
  readonly at: number;
  readonly target: Node;
  /** First, end and step; left out ones are null. */
  readonly bounds: readonly [Node | null, Node | null, Node | null];
}

interface ApplyNode {
  readonly kind: "apply";
  readonly at: number;
  readonly target: Node;
  readonly args: readonly Node[];
  readonly named: readonly Bind[];
  readonly tailstrict: boolean;
}

interface BinaryNode {
  readonly kind: "binary";
  readonly at: number;
  readonly operator: string;
  readonly left: Node;
  readonly right: Node;
}

interface ConditionalNode {
  readonly kind: "conditional";
  readonly at: number;
  readonly test: Node;
  readonly then: Node;
  readonly otherwise: Node | null;
}

interface FunctionNode {
  readonly kind: "function";
  readonly at: number;
  readonly params: readonly ParamNode[];
  readonly body: Node;
}

interface AssertNode {
  readonly kind: "assert";
  readonly at: number;
  readonly test: Node;
  readonly message: Node | null;
  readonly rest: Node;
}

/** A name and what it stands for. */
export interface Bind {
  readonly at: number;
  readonly name: string;
  readonly body: Node;
}

/** A parameter, with its default if it has one. */
export interface ParamNode {
  readonly at: number;
  readonly name: string;
  readonly fallback: Node | null;
}

/** `for name in source`, or `if test`. */
export type Spec =
  | { readonly kind: "for"; readonly at: number; readonly name: string; readonly source: Node }
  | { readonly kind: "if"; readonly at: number; readonly test: Node };

/** A field of an object literal; its name is an expression when it is written in brackets. */
export interface FieldNode {
  readonly at: number;
  readonly name: Node;
  readonly computed: boolean;
  readonly visibility: "inherit" | "hidden" | "visible";
  readonly plus: boolean;
  readonly body: Node;
}

/** `assert test : message` within an object. */
export interface ObjectAssert {
  readonly at: number;
  readonly test: Node;
  readonly message: Node | null;
}

/** `{ … }` */
export interface ObjectNode {
  readonly kind: "object";
  readonly at: number;
  readonly locals: readonly Bind[];
  readonly asserts: readonly ObjectAssert[];
  readonly fields: readonly FieldNode[];
}

/** `{ [key]: value for … }` */
export interface ObjectComprehensionNode {
  readonly kind: "objectComprehension";
  readonly at: number;
  readonly locals: readonly Bind[];
  readonly field: FieldNode;
  readonly specs: readonly Spec[];
}
