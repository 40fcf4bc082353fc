/** A button whose action is asked about first. */
import { useState } from "react";
import { Dialog } from "./dialog.tsx";
import { TextField } from "./field.tsx";
import { runAloud, useSubmit } from "./form.tsx";
import { FaultNote } from "./note.tsx";

/** Opens a question; nothing happens unless it is confirmed. */
export function ConfirmButton(props: {
  readonly label: string;
  /** Name for screen readers where the label alone does not tell rows apart. */
  readonly name?: string;
  readonly title: string;
  readonly text: string;
  readonly confirm: string;
  /** What is asked for beside, such as the reason; its answer is given to the call. */
  readonly question?: string;
  readonly call: (answer: string) => Promise<unknown>;
}) {
  const [answer, setAnswer] = useState("");
  const [isOpen, setOpen] = useState(false);
  const submit = useSubmit(async () => {
    await props.call(answer);
    setOpen(false);
  });
  return (
    <>
      <button
        type="button"
        className="danger"
        aria-label={props.name}
        aria-haspopup="dialog"
        onClick={() => setOpen(true)}
      >
        {props.label}
      </button>
      {isOpen && (
        <Dialog title={props.title} onClose={() => setOpen(false)}>
          <p>{props.text}</p>
          {props.question && (
            <TextField label={props.question} value={answer} onChange={setAnswer} />
          )}
          <FaultNote error={submit.error} />
          <div className="actions">
            <button
              type="button"
              className="danger"
              aria-disabled={submit.isBusy || undefined}
              onClick={() => void runAloud(submit, props.confirm)}
            >
              {props.confirm}
            </button>
            <button type="button" onClick={() => setOpen(false)}>
              Cancel
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}
