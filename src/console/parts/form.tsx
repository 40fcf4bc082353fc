/** A form that calls an rpc: one call at a time, with its error shown. */
import { type ReactNode, useId, useState } from "react";
import { type FieldFault, faultOf } from "../api/fault.ts";
import { announce } from "./announcer.tsx";
import { FaultNote } from "./note.tsx";

/** What a form knows of its last call. */
export interface Submit {
  readonly isBusy: boolean;
  readonly error: unknown;
  /** Faults of fields, to be shown beside them. */
  readonly faults: readonly FieldFault[];
  /** Makes the call, unless one is under way; tells whether it was made and did not fail. */
  run(): Promise<boolean>;
}

/** Runs a call and keeps its error. The input stays as it is when the call fails. */
export function useSubmit(call: () => Promise<unknown>): Submit {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  return {
    isBusy,
    error,
    faults: error ? faultOf(error).fields : [],
    async run() {
      if (isBusy) return false;
      setBusy(true);
      try {
        await call();
        setError(undefined);
        return true;
      } catch (thrown) {
        setError(thrown);
        return false;
      } finally {
        setBusy(false);
      }
    },
  };
}

/**
 * Makes the call and tells those who hear the page that it is done; a fault is read out by its note.
 * Buttons stay enabled meanwhile, since one that is disabled loses the focus.
 */
export async function runAloud(submit: Submit, label: string): Promise<boolean> {
  const isDone = await submit.run();
  if (isDone) announce(`Done: ${label}`);
  return isDone;
}

/** Leads to the first field that is wrong, once it is marked: in a long form it may be far up. */
function focusFirstFault(form: HTMLFormElement): void {
  requestAnimationFrame(() => {
    const wrong = form.querySelector('[aria-invalid="true"]');
    if (wrong instanceof HTMLElement && form.contains(document.activeElement)) wrong.focus();
  });
}

/** Fields with a button that sends them. */
export function Form(props: {
  readonly submit: Submit;
  readonly label: string;
  readonly children: ReactNode;
  readonly disabled?: boolean;
  /**
   * Called when the button is pressed while `disabled`. With it the button can be reached all the same,
   * and what stands beside it is read out with it.
   */
  readonly onBlocked?: () => void;
  readonly beside?: ReactNode;
}) {
  const { submit, disabled = false, onBlocked } = props;
  const beside = useId();
  const isBlocked = disabled && onBlocked !== undefined;
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        // A form in a dialog is none of the form that opened it, whatever React's tree says.
        event.stopPropagation();
        const form = event.currentTarget;
        if (isBlocked) {
          onBlocked();
          focusFirstFault(form);
          return;
        }
        void runAloud(submit, props.label).then((isDone) => {
          if (!isDone) focusFirstFault(form);
        });
      }}
    >
      {props.children}
      <FaultNote error={submit.error} />
      <div className="actions">
        <button
          type="submit"
          className={isBlocked ? "primary off" : "primary"}
          disabled={disabled && !isBlocked}
          aria-disabled={submit.isBusy || isBlocked || undefined}
          aria-describedby={isBlocked ? beside : undefined}
        >
          {submit.isBusy ? "One moment…" : props.label}
        </button>
        <div className="pair" id={beside}>
          {props.beside}
        </div>
      </div>
    </form>
  );
}

/** Leaves a form without sending it. */
export function CancelButton({ onClick }: { readonly onClick: () => void }) {
  return (
    <button type="button" onClick={onClick}>
      Cancel
    </button>
  );
}

/** A button that calls an rpc. */
export function ActionButton(props: {
  readonly label: string;
  /** Name for screen readers where the label alone does not tell rows apart. */
  readonly name?: string;
  readonly call: () => Promise<unknown>;
  readonly className?: string;
}) {
  const submit = useSubmit(props.call);
  return (
    <>
      <button
        type="button"
        className={props.className}
        aria-label={props.name}
        aria-disabled={submit.isBusy || undefined}
        onClick={() => void runAloud(submit, props.label)}
      >
        {props.label}
      </button>
      <FaultNote error={submit.error} />
    </>
  );
}
