/** A labelled input with its hint and its fault. */
import { type ReactNode, useId } from "react";

/** What the input inside must take over. */
export interface FieldControl {
  readonly id: string;
  readonly "aria-describedby": string | undefined;
  readonly "aria-invalid": true | undefined;
}

/** Label, input, hint and fault, tied together for screen readers. */
export function Field(props: {
  readonly label: string;
  readonly hint?: ReactNode;
  readonly fault?: string | undefined;
  readonly optional?: boolean;
  /** Path of what is filled in, for `useTouched`. */
  readonly path?: string | undefined;
  readonly children: (control: FieldControl) => ReactNode;
}) {
  const id = useId();
  const described = [props.hint ? `${id}-hint` : "", props.fault ? `${id}-fault` : ""]
    .filter(Boolean)
    .join(" ");
  return (
    <div className="field" data-path={props.path}>
      <label htmlFor={id}>
        {props.label}
        {props.optional && <span className="quiet"> (optional)</span>}
      </label>
      {props.children({
        id,
        "aria-describedby": described || undefined,
        "aria-invalid": props.fault ? true : undefined,
      })}
      {props.hint && (
        <p className="hint" id={`${id}-hint`}>
          {props.hint}
        </p>
      )}
      {props.fault && (
        <p className="fault" id={`${id}-fault`}>
          {props.fault}
        </p>
      )}
    </div>
  );
}

/** A field of one line. */
export function TextField(props: {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly type?: "text" | "email" | "password" | "url" | "number" | "datetime-local";
  readonly hint?: ReactNode;
  readonly fault?: string | undefined;
  readonly optional?: boolean;
  readonly autoComplete?: string;
  readonly placeholder?: string;
  /** Texts to choose from; others may be typed. */
  readonly options?: readonly string[];
  readonly path?: string;
}) {
  const list = useId();
  return (
    <Field
      label={props.label}
      hint={props.hint}
      fault={props.fault}
      optional={props.optional ?? false}
      path={props.path}
    >
      {(control) => (
        <>
          <input
            {...control}
            type={props.type ?? "text"}
            value={props.value}
            placeholder={props.placeholder}
            autoComplete={props.autoComplete ?? "off"}
            list={props.options && list}
            onChange={(event) => props.onChange(event.target.value)}
          />
          {props.options && (
            <datalist id={list}>
              {props.options.map((option) => (
                <option key={option} value={option} />
              ))}
            </datalist>
          )}
        </>
      )}
    </Field>
  );
}

/** A field of several lines. */
export function TextArea(props: {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly hint?: ReactNode;
  readonly fault?: string | undefined;
  readonly optional?: boolean;
  readonly rows?: number;
  readonly isCode?: boolean;
}) {
  return (
    <Field
      label={props.label}
      hint={props.hint}
      fault={props.fault}
      optional={props.optional ?? false}
    >
      {(control) => (
        <textarea
          {...control}
          rows={props.rows ?? 4}
          className={props.isCode ? "code" : undefined}
          spellCheck={!props.isCode}
          value={props.value}
          onChange={(event) => props.onChange(event.target.value)}
        />
      )}
    </Field>
  );
}

/** A choice of one of several. */
export function SelectField<T extends string | number>(props: {
  readonly label: string;
  readonly value: T;
  readonly choices: readonly (readonly [T, string])[];
  readonly onChange: (value: T) => void;
  readonly hint?: ReactNode;
  readonly fault?: string | undefined;
}) {
  return (
    <Field label={props.label} hint={props.hint} fault={props.fault}>
      {(control) => (
        <select
          {...control}
          value={String(props.value)}
          onChange={(event) => {
            const found = props.choices.find(([value]) => String(value) === event.target.value);
            if (found) props.onChange(found[0]);
          }}
        >
          {props.choices.map(([value, text]) => (
            <option key={value} value={String(value)}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** A switch for yes or no. */
export function CheckField(props: {
  readonly label: ReactNode;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
}) {
  return (
    <label className="check">
      <input
        type="checkbox"
        checked={props.checked}
        onChange={(event) => props.onChange(event.target.checked)}
      />
      <span>{props.label}</span>
    </label>
  );
}
