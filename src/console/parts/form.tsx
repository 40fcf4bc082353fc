/** A form that calls an rpc: one call at a time, with its error shown. */
import { type ReactNode, useState } from "react";
import { type FieldFault, faultOf } from "../api/fault.ts";
import { FaultNote } from "./note.tsx";

/** What a form knows of its last call. */
export interface Submit {
  readonly isBusy: boolean;
  readonly error: unknown;
  /** Faults of fields, to be shown beside them. */
  readonly faults: readonly FieldFault[];
  run(): Promise<void>;
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
      if (isBusy) return;
      setBusy(true);
      try {
        await call();
        setError(undefined);
      } catch (thrown) {
        setError(thrown);
      } finally {
        setBusy(false);
      }
    },
  };
}

/** Fields with a button that sends them. */
export function Form(props: {
  readonly submit: Submit;
  readonly label: string;
  readonly children: ReactNode;
  readonly disabled?: boolean;
  readonly beside?: ReactNode;
}) {
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        // A form in a dialog is none of the form that opened it, whatever React's tree says.
        event.stopPropagation();
        void props.submit.run();
      }}
    >
      {props.children}
      <FaultNote error={props.submit.error} />
      <div className="actions">
        <button
          type="submit"
          className="primary"
          disabled={props.disabled === true || props.submit.isBusy}
        >
          {props.submit.isBusy ? "One moment…" : props.label}
        </button>
        {props.beside}
      </div>
    </form>
  );
}

/** A button that calls an rpc. */
export function ActionButton(props: {
  readonly label: string;
  readonly call: () => Promise<unknown>;
  readonly className?: string;
}) {
  const submit = useSubmit(props.call);
  return (
    <>
      <button
        type="button"
        className={props.className}
        disabled={submit.isBusy}
        onClick={() => void submit.run()}
      >
        {props.label}
      </button>
      <FaultNote error={submit.error} />
    </>
  );
}
