/** A button that opens a dialog with a form. */
import { type ReactNode, useState } from "react";
import { Dialog } from "./dialog.tsx";

/** The dialog closes on Escape, and by the callback that its content gets. */
export function DialogButton(props: {
  readonly label: string;
  /** Name for screen readers where the label alone does not tell rows apart. */
  readonly name?: string;
  readonly title: string;
  readonly children: (close: () => void) => ReactNode;
}) {
  const [isOpen, setOpen] = useState(false);
  const close = () => setOpen(false);
  return (
    <>
      <button
        type="button"
        aria-label={props.name}
        aria-haspopup="dialog"
        onClick={() => setOpen(true)}
      >
        {props.label}
      </button>
      {isOpen && (
        <Dialog title={props.title} onClose={close}>
          {props.children(close)}
        </Dialog>
      )}
    </>
  );
}
